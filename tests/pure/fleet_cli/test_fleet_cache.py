"""What is kept about a fleet: read back as it was, and as if it were not there where anything is wrong with it."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from reconciler.backends.fleet_cache import UNUSED_SECONDS, Entry, FleetCache, cache_folder

ENTRIES = {
    "berlin-7": Entry(("fleet.yaml", "groups/ä\t\n.yaml"), "key", "digest", b'{"a":"\\t"}'),
    "roof-1": Entry((), "", "", b"[]"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "stellwerk"


def cache(folder: Path | None, fleet: str = "/fleet", made_by: str = "this") -> FleetCache:
    return FleetCache(folder, fleet, made_by)


def file_in(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_entries_come_back_as_they_were(folder: Path) -> None:
    assert cache(folder).read() == {}
    cache(folder).write(ENTRIES)
    assert cache(folder).read() == ENTRIES
    cache(folder).write({})
    assert cache(folder).read() == {}


def test_it_is_for_nobody_else(folder: Path) -> None:
    cache(folder).write(ENTRIES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_in(folder).stat().st_mode) == 0o600


def test_another_fleet_and_another_program_know_nothing_of_it(folder: Path) -> None:
    cache(folder).write(ENTRIES)
    assert cache(folder, fleet="/other").read() == {}
    assert cache(folder, made_by="that").read() == {}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\nx",
        b"\xff\xfe\0",
        b'{"stellwerk_fleet_cache": 1, "made_by": "this", "digest": "e3b0"}\n["a"]\t[]\n',
        b"[" * 100_000,
    ],
)
def test_what_is_damaged_is_as_if_it_were_not_there(folder: Path, damage: bytes) -> None:
    cache(folder).write(ENTRIES)
    file_in(folder).write_bytes(damage)
    assert cache(folder).read() == {}
    cache(folder).write(ENTRIES)
    assert cache(folder).read() == ENTRIES


def test_every_cut_and_every_changed_byte_is_noticed(folder: Path) -> None:
    cache(folder).write(ENTRIES)
    file = file_in(folder)
    whole = file.read_bytes()
    for at in range(0, len(whole), 3):
        file.write_bytes(whole[:at])
        assert cache(folder).read() == {}
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache(folder).read() == {}


def test_what_others_can_write_is_not_believed(folder: Path) -> None:
    cache(folder).write(ENTRIES)
    file_in(folder).chmod(0o622)
    assert cache(folder).read() == {}
    file_in(folder).chmod(0o600)
    folder.chmod(0o777)
    assert cache(folder).read() == {}
    before = file_in(folder).read_bytes()
    cache(folder).write({})
    assert file_in(folder).read_bytes() == before


def test_links_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    cache(folder).write(ENTRIES)
    file = file_in(folder)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert cache(folder).read() == {}
    before = (tmp_path / "elsewhere").read_bytes()
    cache(folder).write({})
    assert (tmp_path / "elsewhere").read_bytes() == before
    assert cache(folder).read() == {}
    assert not file.is_symlink()


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_where_it_cannot_be_kept_it_is_done_without(tmp_path: Path, kind: str) -> None:
    in_the_way = tmp_path / "cache"
    os.mkfifo(in_the_way) if kind == "pipe" else in_the_way.touch()
    for folder in (in_the_way / "stellwerk", None):
        cache(folder).write(ENTRIES)
        assert cache(folder).read() == {}


def test_a_fleet_that_nobody_renders_any_more_is_forgotten(folder: Path) -> None:
    cache(folder).write(ENTRIES)
    long_ago = time.time() - UNUSED_SECONDS - 60
    os.utime(file_in(folder), (long_ago, long_ago))
    (folder / "of-something-else").touch()
    os.utime(folder / "of-something-else", (long_ago, long_ago))
    cache(folder, fleet="/other").write(ENTRIES)
    assert cache(folder).read() == {}
    assert cache(folder, fleet="/other").read() == ENTRIES
    assert (folder / "of-something-else").exists()


def test_where_it_is(tmp_path: Path) -> None:
    home = {"HOME": "/home/a"}
    assert cache_folder(home) == Path("/home/a/.cache/stellwerk")
    assert cache_folder({**home, "XDG_CACHE_HOME": "/c"}) == Path("/c/stellwerk")
    # The specification has relative paths ignored.
    assert cache_folder({**home, "XDG_CACHE_HOME": "c"}) == Path("/home/a/.cache/stellwerk")
    assert cache_folder({}) is None
