"""Files that are no node files, or are meant to do harm: a clear error, at once, in little memory."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from intent.loading import load, loads
from intent.problems import IntentError
from intent.reading import LARGEST_BYTES
from intent.yaml_events import DEEPEST, MOST_VALUES

HEAD = b"version: 1\nnode: berlin-7\n"
MEMORY = 640 << 20


def complaint(data: bytes) -> str:
    with pytest.raises(IntentError) as caught:
        loads(data, "node.yaml")
    return str(caught.value)


def complaint_about(path: Path | str) -> str:
    with pytest.raises(IntentError) as caught:
        load(str(path))
    return str(caught.value)


def test_a_sparse_file_of_100_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    with open(path, "wb") as file:
        file.truncate(100_000_000)
    assert complaint_about(path).endswith("has 95 MiB; at most 32 MiB are read, a node file has some kilobytes")


def test_a_file_that_grows_beyond_its_stated_size_is_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_bytes(b"#" * (LARGEST_BYTES + 1))
    small = os.stat(__file__)
    monkeypatch.setattr(os, "stat", lambda path: small)
    monkeypatch.setattr(os, "fstat", lambda descriptor: small)
    assert complaint_about(path).endswith("is larger than 32 MiB, and a node file has some kilobytes")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert complaint_about(tmp_path / "pipe").endswith("is a pipe; name `-` to read the standard input")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/dev/zero", "is a device, not a file"),
        ("/", "is a directory, not a file"),
        ("/nowhere/node.yaml", "cannot be read: No such file or directory"),
        ("/dev/null/node.yaml", "cannot be read: Not a directory"),
        ("node\0.yaml", "is no name of a file"),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_file(path: str, said: str) -> None:
    assert complaint_about(path).endswith(said)


def test_a_file_name_cannot_write_to_the_terminal() -> None:
    assert complaint_about("/nowhere/\x1b[2J\n\udce9") == r"/nowhere/\x1b[2J\x0a\xe9: cannot be read: " + os.strerror(2)


def test_the_standard_input_is_read_where_it_is_named() -> None:
    program = "from intent.loading import load; print(load('-').name)"
    run = subprocess.run([sys.executable, "-c", program], input=HEAD, capture_output=True, check=True)
    assert run.stdout == b"berlin-7\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n  \n# nothing but a comment\n", "is empty"),
        (b"---\n...\n", "is empty"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "is binary data, not text"),
        (HEAD + b"# " + b"x" * 5000 + b"\0", "U+0000 cannot be used here"),
        (b"\x89PNG\r\n\x1a\n", "node.yaml:1:1: the byte 0x89 is not UTF-8 text"),
        (HEAD + b"# caf\xe9\n", "node.yaml:3:6: the byte 0xe9 is not UTF-8 text"),
        (HEAD + "# café ".encode() + b"\xe9", "node.yaml:3:8: the byte 0xe9 is not UTF-8 text"),
        (HEAD + b"mesh: {}\xed\xa0\x80", "the byte 0xed is not UTF-8 text"),
        ("version: 1".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ("version: 1".encode("utf-32"), "is UTF-16 text; save it as UTF-8"),
        (HEAD.replace(b"\n", b"\r"), "node.yaml:1:11: a carriage return without a line feed"),
        (HEAD + b"mesh: {} # \x1b[2J", "node.yaml:3:12: the character U+001B cannot be used here"),
        (HEAD + "mesh: {} # \u2028".encode(), "node.yaml:3:12: the character U+2028 cannot be used here"),
        (HEAD + "mesh: {} # \u202e".encode(), "node.yaml:3:12: the character U+202E makes text look other than it is"),
    ],
)
def test_what_is_no_text(data: bytes, said: str, parser: str) -> None:
    assert said in complaint(data)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(parser: str) -> None:
    assert loads(b"\xef\xbb\xbfversion: 1\r\nnode: berlin-7\r\n", "node.yaml").name == "berlin-7"


def test_columns_do_not_count_a_byte_order_mark(parser: str) -> None:
    assert complaint(b"\xef\xbb\xbfversion: 2\n").startswith("node.yaml:1:10: ")


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- ", b"? ", b"[{a: "])
def test_deep_nesting_is_given_up_at_once(opening: bytes, parser: str) -> None:
    assert f"more than {DEEPEST} deep" in complaint(HEAD + b"mesh:\n  " + opening * 1_000_000)


def test_depth_counts_what_aliases_stand_for(parser: str) -> None:
    levels = "".join(f"a{level}: &a{level} [[[[*a{level - 1}]]]]\n" for level in range(1, 30))
    assert f"more than {DEEPEST} deep" in complaint(f"a0: &a0 [1]\n{levels}".encode())


def test_a_billion_laughs(parser: str) -> None:
    levels = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10))
    assert f"more than {MOST_VALUES} values, aliases expanded" in complaint(f"a0: &a0 [lol]\n{levels}".encode())


def test_a_number_of_many_digits_costs_nothing(parser: str) -> None:
    said = complaint(HEAD + b"mesh: {table: " + b"9" * 1_000_000 + b", rule_priority: 0x" + b"f" * 1_000_000 + b"}\n")
    assert said.count("not a number without end") == 2
    assert len(said) < 1000


def test_a_long_value_is_cut_in_messages(parser: str) -> None:
    assert len(complaint(b"version: 1\nnode: " + b"x" * 1_000_000 + b"\n")) < 500


BOMBS = {
    "values": HEAD + b"wireguard: [" + b"1, " * 5_000_000,
    "keys": HEAD + b"".join(b"k%d: 1\n" % number for number in range(999_000)),
    "one key": HEAD + b"node: x\n" * 200_000,
    "problems": HEAD + b"gre:\n" + b"- {}\n" * 999_000,
    "problems inside": HEAD + b"mesh: {}\nexit: {prefixes: [" + b"{}, " * 999_000 + b"]}",
    "wrong values": HEAD + b"mesh: {uplinks: [" + b"1, " * 999_000 + b"]}",
    "comments": b"#\t\n" * 3_000_000 + HEAD,
    "tabs": HEAD + b"\t" * 10_000_000,
    "one line": HEAD + b"mesh: {prefixes: [" + b'"x", ' * 999_000 + b"]}",
    "text": b"node: '" + b"x" * 31_000_000,
    "wide text": b"node: '" + "😀".encode() * 7_000_000 + b"'",
    "anchors": b"".join(b"- &a%d x\n" % number for number in range(999_000)),
    "empty lines": b"\n" * 8_000_000 + b"version: 2\n",
    "quotes": HEAD + b"'" * 10_000_000,
}
LOADS = """
import resource, sys
if sys.argv[1] == "Python":
    from intent import yaml_events
    yaml_events.CParser = None
from intent.loading import loads
from intent.problems import IntentError
try:
    loads(sys.stdin.buffer.read(), "node.yaml")
except IntentError as error:
    print(len(str(error)))
else:
    print("fine")
"""


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@pytest.mark.parametrize("which", ["C", "Python"])
@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded(name: str, which: str) -> None:
    data = BOMBS[name]
    if which == "Python":
        # It is ten times as slow; what it keeps for a character is the same.
        data = data[: 512 << 10]
    run = subprocess.run(
        [sys.executable, "-c", LOADS, which], input=data, capture_output=True, preexec_fn=limit_memory, timeout=120
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout == b"fine\n" or int(run.stdout) < 50_000
