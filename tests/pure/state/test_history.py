"""The history: whatever is done to its lines is found, and a crash costs no more than what was being written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.backends.history_file import HistoryFile
from reconciler.core.errors import DeniedError, StellwerkError
from reconciler.core.history import (
    BEGINNING,
    DISAGREED,
    LONGEST_TEXT,
    REPAIRED,
    Head,
    chained,
    entry_of,
    head_of,
    line,
    verify,
)
from tests.pure.state.dying import ends_at_call

WALL = 1.7e9
FACTS: tuple[dict[str, Any], ...] = (
    {"event": "changed", "node": "roof-1", "seconds": 1.25, "operations": [{"action": "create", "error": None}]},
    {"event": "failed", "node": "Dach-Süd", "because": "\udc80\x1b[31m\n", "digest": None},
    {"event": "confirmed"},
    {"event": "changed", "commit": "7" * 40, "operations": []},
)


def a_chain(count: int = len(FACTS), head: Head | None = None) -> tuple[list[bytes], Head]:
    """Return the lines of so many entries after a head, and the head that they make."""
    lines, last = [], head or Head()
    for number in range(count):
        entry = chained(FACTS[number % len(FACTS)], last, WALL + number)
        lines.append(line(entry))
        last = head_of(entry)
    return lines, last


LINES, HEAD = a_chain()
WHOLE = b"".join(LINES)


def flaws(lines: list[bytes], head: Head | None = HEAD, noted: Head | None = None) -> list[str]:
    return [str(flaw) for flaw in verify(lines, head, noted).flaws]


def split(content: bytes) -> list[bytes]:
    """Return the lines of a file with their line breaks."""
    return [one + b"\n" for one in content.split(b"\n")[:-1]] + [rest for rest in [content.split(b"\n")[-1]] if rest]


# What the chain is.


def test_a_chain_is_whole() -> None:
    verdict = verify(LINES, HEAD)
    assert verdict.flaws == ()
    assert (verdict.entries, verdict.first, verdict.last) == (len(FACTS), 1, HEAD)
    assert verify([], None).last == Head()


def test_an_entry_can_be_checked_with_any_sha256() -> None:
    entry = json.loads(LINES[1])
    told, previous = entry.pop("hash"), json.loads(LINES[0])["hash"]
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    assert sha256(text.encode()).hexdigest() == told
    assert entry["previous"] == previous
    assert json.loads(LINES[0])["previous"] == BEGINNING


def test_lines_are_plain_ascii() -> None:
    assert all(one.isascii() and one[:-1].decode().isprintable() for one in LINES)


def test_a_fact_cannot_take_another_place_in_the_chain() -> None:
    fact = {"number": 7, "time": 1, "previous": "x", "hash": "y", "stellwerk_history": 9, "event": "changed"}
    entry = chained(fact, HEAD, WALL)
    assert verify([*LINES, line(entry)], head_of(entry)).flaws == ()
    assert entry["time"] == WALL


def test_long_texts_are_cut() -> None:
    entry = chained({"because": "x" * 10**6, "operations": ({"error": "y" * 10**6},)}, Head(), WALL)
    assert len(entry["because"]) == len(entry["operations"][0]["error"]) == LONGEST_TEXT


@pytest.mark.parametrize("text", ["", "1", "1:", "01:" + "a" * 64, "1:" + "A" * 64, "1:" + "a" * 65, "-1:" + "a" * 64])
def test_a_head_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="head"):
        Head.parse(text)
    assert Head.parse(str(HEAD)) == HEAD


# What is found.

everything = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def test_every_single_byte_matters() -> None:
    for place in range(len(WHOLE)):
        for byte in {WHOLE[place] ^ 1, WHOLE[place] ^ 0x20, 0x20, 0x0A, 0x30} - {WHOLE[place]}:
            altered = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]
            assert flaws(split(altered)), (place, byte)


@everything
@given(st.integers(0, len(WHOLE)), st.integers(0, 300), st.binary(max_size=30))
def test_any_other_content_is_found(start: int, length: int, instead: bytes) -> None:
    altered = WHOLE[:start] + instead + WHOLE[start + length :]
    assert bool(flaws(split(altered))) is (altered != WHOLE)


@everything
@given(st.lists(st.sampled_from(LINES), max_size=6))
def test_lines_left_out_doubled_or_moved_are_found(lines: list[bytes]) -> None:
    assert bool(flaws(lines)) is (lines != LINES)


@pytest.mark.parametrize(
    "spelled",
    [
        lambda entry: json.dumps(entry),
        lambda entry: json.dumps(dict(reversed(sorted(entry.items()))), separators=(",", ":")),
        lambda entry: json.dumps(entry, sort_keys=True, separators=(",", ":")).replace("roof", "r\\u006fof"),
        lambda entry: json.dumps(entry, sort_keys=True, separators=(",", ":")).replace("1.25", "1.250"),
        lambda entry: json.dumps(entry, sort_keys=True, separators=(",", ":")).replace("{", '{"node":"x",', 1),
    ],
)
def test_another_spelling_of_the_same_is_altered(spelled: Callable[[dict[str, Any]], str]) -> None:
    altered = spelled(json.loads(LINES[0])).encode() + b"\n"
    assert altered != LINES[0]
    assert flaws([altered, *LINES[1:]]) == ["entry 1 was altered"]


def test_flaws_say_where_and_how() -> None:
    assert flaws(LINES[:-1]) == ["entry 3 is the last one, but the head is 4: the end was cut"]
    assert flaws(LINES[1:]) == ["entry 2 is the first one, but 1 was kept: the beginning was cut"]
    assert flaws([*LINES[:1], *LINES[2:]]) == ["entry 3 comes after 1: entries were dropped, moved or put in"]
    (flaw,) = flaws([LINES[0].replace(b"roof-1", b"roof-2"), *LINES[1:]])
    assert flaw == "entry 1 was altered"
    more, head = a_chain(1, HEAD)
    assert "the rest was put in" in flaws([*LINES, *more])[0]
    assert "the head is missing or damaged" in flaws(LINES, None)[0]
    assert "it was altered" in flaws(LINES, replace(HEAD, hash="0" * 64))[0]
    assert flaws([*LINES, *more], head) == []


def test_a_forged_entry_with_a_hash_of_its_own_does_not_fit_the_next() -> None:
    forged = line(chained({"event": "confirmed"}, Head(), WALL))
    assert flaws([forged, *LINES[1:]]) == [
        "entry 2 does not follow from the one before: one of the two was altered or exchanged"
    ]


def test_a_whole_new_chain_does_not_run_through_a_head_that_was_noted() -> None:
    noted = head_of(json.loads(LINES[1]))
    assert flaws(LINES, HEAD, noted) == []
    forged, head = a_chain(1)
    for number in range(3):
        entry = chained({"event": "forged"}, head, WALL + number)
        forged.append(line(entry))
        head = head_of(entry)
    assert flaws(forged, head) == []
    assert flaws(forged, head, noted) == ["entry 2 is another one than that which was noted"]
    assert flaws(forged[:1], head_of(json.loads(forged[0])), noted) == [
        "entry 2 was noted, but is not there: the end was cut"
    ]


# On disk.


@pytest.fixture
def history(tmp_path: Path) -> HistoryFile:
    return HistoryFile(tmp_path / "state")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.jsonl"


def fill(history: HistoryFile, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        history.append({"event": "changed", "number_told": number}, WALL + number)


def entries(history: HistoryFile) -> list[Mapping[str, Any]]:
    return [entry for one in history.lines() if (entry := entry_of(one)) is not None]


def told(history: HistoryFile) -> list[int]:
    return [entry["number_told"] for entry in entries(history) if "number_told" in entry]


def events(history: HistoryFile) -> list[str]:
    return [entry["event"] for entry in entries(history)]


def in_short(history: HistoryFile) -> list[str]:
    """Return the flaws, without the second look that allows for an append at the same time."""
    return [str(flaw) for flaw in verify(history.lines(), history.head()).flaws]


def test_what_is_appended_is_read(history: HistoryFile, path: Path) -> None:
    fill(history, 5)
    assert told(history) == [0, 1, 2, 3, 4]
    assert [entry["number_told"] for entry in history.recent(2)] == [3, 4]
    assert history.recent(0) == []
    assert len(history.recent(100)) == 5
    assert history.verify().entries == 5
    assert history.verify().flaws == ()
    assert str(history.head()) == path.with_name("history.head").read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_name("history.head").stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_reading_makes_nothing(history: HistoryFile, path: Path) -> None:
    assert entries(history) == list(history.recent(5)) == []
    assert history.verify().entries == 0
    assert not path.parent.exists()


def test_two_who_append_in_turn_make_one_chain(history: HistoryFile, path: Path) -> None:
    other = HistoryFile(path.parent)
    for number in range(4):
        fill((history, other)[number % 2], 1, number)
    assert told(history) == [0, 1, 2, 3]
    assert history.verify().flaws == ()


def test_it_is_bounded_and_only_whole_files_are_dropped(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path, largest_bytes=1000, keep=3)
    for number in range(60):
        fill(history, 1, number)
        assert in_short(history) == []
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5000
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"history.jsonl", "history.1.jsonl", "history.2.jsonl", "history.3.jsonl", "history.head"}
    kept = told(history)
    assert kept == list(range(kept[0], 60))
    assert 0 < kept[0] < 60
    for count in range(1, len(kept) + 1):
        assert [entry["number_told"] for entry in history.recent(count)] == kept[-count:]


def test_cuts_inside_a_bounded_history_are_found(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path, largest_bytes=1000, keep=3)
    fill(history, 60)
    lines = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path, content in lines.items():
        path.unlink()
        assert in_short(history), path.name
        for start in range(len(split(content))):
            path.write_bytes(b"".join(split(content)[:start] + split(content)[start + 1 :]))
            assert in_short(history), (path.name, start)
        path.write_bytes(content)
    assert in_short(history) == []
    one, two = tmp_path / "history.1.jsonl", tmp_path / "history.2.jsonl"
    one.write_bytes(lines[two])
    two.write_bytes(lines[one])
    assert in_short(history)


@everything
@given(st.data())
def test_any_other_byte_on_disk_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "altered history"
    history = HistoryFile(folder, largest_bytes=1000, keep=2)
    if not folder.exists():
        fill(history, 30)
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = path.read_bytes()
    place, byte = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 255))
    path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
    try:
        assert bool(in_short(history)) is (content[place] != byte)
    finally:
        path.write_bytes(content)


def test_long_lines_are_read_from_the_end(history: HistoryFile) -> None:
    for size in (1, 200_000, 3, 65_536, 65_535, 131_072, 7):
        history.append({"size": size, "many": ["x" * 1000] * (size // 1000)}, WALL)
    assert [entry["size"] for entry in history.recent(100)] == [entry["size"] for entry in entries(history)]
    assert history.recent_lines(100) == list(history.lines())
    assert history.verify().flaws == ()


# Crashes.


@pytest.mark.parametrize(
    "torn",
    [b'{"event":"chan', b"\0" * 300, LINES[0][:-1], b"[" * 100_000],
    ids=["half", "zeros", "no line break", "deep"],
)
def test_a_torn_last_line_is_cut_off_and_told(history: HistoryFile, path: Path, torn: bytes) -> None:
    fill(history, 3)
    with open(path, "ab") as file:
        file.write(torn)
    assert in_short(history)
    assert told(history) == [0, 1, 2]
    fill(history, 1, 3)
    assert told(history) == [0, 1, 2, 3]
    assert events(history) == ["changed"] * 3 + [REPAIRED, "changed"]
    repaired = history.recent(2)[0]
    assert repaired["torn_sha256"] == sha256(torn).hexdigest()
    assert f"{len(torn)} bytes" in repaired["because"]
    assert len(repaired["torn"]) <= LONGEST_TEXT
    assert in_short(history) == []


@pytest.mark.parametrize("line", [b"{}\n", b"\xff\xfe\n", b"\n"], ids=["no entry", "no text", "empty"])
def test_a_whole_last_line_that_is_no_entry_stays_to_be_seen(history: HistoryFile, path: Path, line: bytes) -> None:
    """No power cut writes it: somebody did."""
    fill(history, 3)
    with open(path, "ab") as file:
        file.write(line)
    fill(history, 1, 3)
    assert told(history) == [0, 1, 2, 3]
    assert REPAIRED not in events(history)
    assert line in list(history.lines())
    assert in_short(history)


def test_a_head_that_is_one_behind_is_brought_up_and_told(history: HistoryFile, path: Path) -> None:
    fill(history, 2)
    before = path.with_name("history.head").read_bytes()
    fill(history, 1, 2)
    path.with_name("history.head").write_bytes(before)
    assert in_short(history)
    fill(history, 1, 3)
    assert events(history) == ["changed"] * 3 + [REPAIRED, "changed"]
    assert in_short(history) == []


def test_the_first_entry_without_a_head_is_one_of_a_crash(history: HistoryFile, path: Path) -> None:
    fill(history, 1)
    path.with_name("history.head").unlink()
    fill(history, 1, 1)
    assert events(history) == ["changed", REPAIRED, "changed"]
    assert in_short(history) == []


def _cut_the_end(path: Path) -> None:
    path.write_bytes(b"".join(split(path.read_bytes())[:-1]))


def _cut_all(path: Path) -> None:
    path.unlink()


def _cut_all_and_damage_the_head(path: Path) -> None:
    path.unlink()
    path.with_name("history.head").write_text("7")


def _take_the_head_away(path: Path) -> None:
    path.with_name("history.head").unlink()


def _damage_the_head(path: Path) -> None:
    path.with_name("history.head").write_text("3:abc\n")


def _alter_the_last_one(path: Path) -> None:
    lines = split(path.read_bytes())
    forged = line(chained({"event": "forged"}, head_of(json.loads(lines[-2])), WALL))
    path.write_bytes(b"".join([*lines[:-1], forged]))


def _put_two_in(path: Path) -> None:
    lines, _ = a_chain(2, head_of(json.loads(split(path.read_bytes())[-1])))
    path.write_bytes(path.read_bytes() + b"".join(lines))


@pytest.mark.parametrize(
    "tamper",
    [
        _cut_the_end,
        _cut_all,
        _cut_all_and_damage_the_head,
        _take_the_head_away,
        _damage_the_head,
        _alter_the_last_one,
        _put_two_in,
    ],
)
def test_going_on_does_not_hide_what_was_found(
    history: HistoryFile, path: Path, tamper: Callable[[Path], None]
) -> None:
    fill(history, 4)
    tamper(path)
    fill(history, 2, 10)
    assert DISAGREED in events(history)
    assert any("the end before it was cut or altered" in flaw for flaw in in_short(history))
    assert told(history)[-2:] == [10, 11]
    assert events(history).count(DISAGREED) == 1


def test_damage_in_the_middle_stays_as_it_is(history: HistoryFile, path: Path) -> None:
    fill(history, 4)
    lines = split(path.read_bytes())
    lines[1] = b"garbage\n"
    path.write_bytes(b"".join(lines))
    fill(history, 1, 4)
    assert split(path.read_bytes())[:4] == lines
    assert told(history) == [0, 2, 3, 4]
    assert in_short(history)


@pytest.mark.parametrize("settled", [1, 3, 7, 12])
def test_whenever_it_is_killed_it_goes_on_and_nothing_that_was_told_is_lost(tmp_path: Path, settled: int) -> None:
    """Append in a process that ends at its first, second, … call that changes the disk, rotations among them."""
    ended = False
    for calls in range(100):
        history = HistoryFile(tmp_path / str(calls), largest_bytes=1000, keep=2)
        fill(history, settled)
        kept = told(history)
        ended = ends_at_call(calls, lambda history=history: fill(history, 4, settled))  # type: ignore[misc]
        between = told(history)
        assert between == list(range(between[0], between[-1] + 1))
        assert between[-1] >= kept[-1]
        fill(history, 1, 100)
        assert told(history)[-2:] == [between[-1], 100]
        assert in_short(history) == []
        assert DISAGREED not in events(history)
        assert len(list((tmp_path / str(calls)).iterdir())) <= 5
        if ended:
            break
    assert ended
    assert between[-1] == settled + 3


APPENDING = """\
import itertools, pathlib, sys
from reconciler.backends.history_file import HistoryFile
history = HistoryFile(pathlib.Path(sys.argv[1]), largest_bytes=20000, keep=2)
for number in itertools.count():
    history.append({"event": "changed", "filling": "x" * (number % 500)}, number)
    if not number:
        print("begun", flush=True)
"""


def test_killed_at_random_moments_it_is_whole_after_the_next_entry(tmp_path: Path) -> None:
    moments = random.Random(11)
    history = HistoryFile(tmp_path / "state", largest_bytes=20000, keep=2)
    for _ in range(8):
        command = [sys.executable, "-c", APPENDING, str(tmp_path / "state")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        history.append({"event": "confirmed"}, WALL)
        assert in_short(history) == []
        assert DISAGREED not in events(history)


def test_readers_meet_no_gap_while_entries_are_appended(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path, largest_bytes=2000, keep=3)
    fill(history, 40)
    done, failures = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            for found in (told(history), [entry["number_told"] for entry in history.recent(15)]):
                if found != list(range(found[0], found[-1] + 1)):
                    failures.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        fill(history, 300, 40)
        assert history.verify().flaws == ()
    finally:
        done.set()
        reader.join(60)
    assert failures == []


BUSY_WRITER = """
import sys
from pathlib import Path
from reconciler.backends.history_file import HistoryFile

history = HistoryFile(Path(sys.argv[1]), largest_bytes=200_000)
while True:
    history.append({"event": "changed", "operations": ["route"] * 50}, 1.7e9)
"""


def test_ceaseless_writing_is_no_flaw(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path, largest_bytes=200_000)
    fill(history, 400)
    command = [sys.executable, "-c", BUSY_WRITER, str(tmp_path)]
    with subprocess.Popen(command) as writer:
        try:
            begun = history.head()
            while history.head() == begun and writer.poll() is None:
                pass
            verdicts = [history.verify() for _ in range(12)]
            assert writer.poll() is None
        finally:
            writer.kill()
    assert [str(flaw) for verdict in verdicts for flaw in verdict.flaws] == []
    assert verdicts[-1].last.number > verdicts[0].last.number


def test_a_full_disk_leaves_no_half_line(history: HistoryFile, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(history, 2)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[: len(content) // 2]))
        with pytest.raises(StellwerkError, match="make room"):
            fill(history, 1, 2)
    assert in_short(history) == []
    fill(history, 1, 2)
    assert events(history) == ["changed"] * 3
    assert in_short(history) == []


def test_what_cannot_be_read_is_named(history: HistoryFile, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(history, 1)

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("io.FileIO", refuse)
    for look in (history.verify, lambda: history.recent(1), lambda: list(history.lines())):
        with pytest.raises(DeniedError, match=r"history\.jsonl cannot be read: Permission denied; run it as root"):
            look()
