"""The backend beside its contract: when it runs nft, what it says of failures, and what it hears."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from intent.resources.nftables_table import FAMILY, TABLE
from reconciler.backends import nftables, nftables_netlink
from reconciler.backends.nftables import Nftables
from reconciler.backends.nftables_netlink import NftablesEvents
from reconciler.core.backend import Dump, News
from reconciler.core.errors import BackendError, BusyError, DeniedError, UnsupportedError
from tests.contract.nftables import PARTS, TABLES
from tests.namespaces import Namespace

WANTED = TABLES["refusing"]
OURS = frozenset({"nftables"})
HEARD_SECONDS = 20.0


class Place:
    """A backend in a namespace, which counts its runs of nft."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.backend = Nftables()

    @property
    def runs(self) -> int:
        return len(self.backend._runs)

    def look(self) -> Dump | BackendError:
        return self.namespace.run(lambda: self.backend.dump({"nftables": PARTS}))["nftables"]

    def make(self) -> None:
        assert self.namespace.run(lambda: self.backend.send(WANTED.create())) == [None]

    def nft(self, *words: str) -> None:
        self.namespace.program("nft", *words)

    def events(self) -> NftablesEvents:
        opened = self.namespace.run(self.backend.events)
        assert opened is not None
        return opened


@pytest.fixture
def place(namespace: Namespace) -> Iterator[Place]:
    made = Place(namespace)
    yield made
    made.backend.close()


@pytest.fixture
def events(place: Place) -> Iterator[NftablesEvents]:
    """The stream of a backend whose table has been made and looked at."""
    place.make()
    place.look()
    opened = place.events()
    yield opened
    opened.close()


def fake_nft(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of nft."""
    program = folder / "nft"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(nftables, "_program", lambda: str(program))


def rows(found: Dump | BackendError) -> list[object]:
    assert isinstance(found, Dump), found
    return list(found.rows)


def test_where_there_is_no_table_of_ours_nft_is_not_run(place: Place) -> None:
    assert rows(place.look()) == []
    place.nft("add", "table", "inet", "theirs")
    assert rows(place.look()) == []
    assert place.runs == 0


def test_nft_is_run_once_while_nothing_changes(place: Place) -> None:
    place.make()
    first, again = place.look(), place.look()
    assert isinstance(first, Dump)
    assert isinstance(again, Dump)
    assert place.runs == 2
    assert first.digest is not None
    assert first.digest == again.digest
    place.nft("add", "counter", FAMILY, TABLE, "mine")
    other = place.look()
    assert isinstance(other, Dump)
    assert other.digest != first.digest


def test_without_nft_a_table_cannot_be_seen(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.make()
    monkeypatch.setattr(nftables, "_program", lambda: None)
    found = place.look()
    assert isinstance(found, UnsupportedError)
    assert "install it (the package nftables)" in str(found)
    (lack,) = place.namespace.run(lambda: place.backend.lacks(WANTED.create()))
    assert "install it (the package nftables)" in str(lack)


def test_what_the_kernel_has_not_got_is_a_lack(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "internal:0:0-0: Error: Could not process rule: No such file or directory"
    fake_nft(tmp_path, monkeypatch, f"echo '{words}' >&2; exit 1")
    (lack,) = place.namespace.run(lambda: place.backend.lacks(WANTED.create()))
    assert "a module of the kernel is missing" in str(lack)
    # Of a table that is there, something may be gone since the look.
    (change,) = WANTED.update(TABLES["empty"], WANTED.changes(TABLES["empty"]))
    assert place.namespace.run(lambda: place.backend.lacks([change])) == []


def test_an_nft_that_does_not_end_is_ended(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "RUN_TIMEOUT_SECONDS", 0.2)
    fake_nft(tmp_path, monkeypatch, f"echo $$ >{tmp_path}/pid; exec sleep 1000")
    (answer,) = place.namespace.run(lambda: place.backend.send(WANTED.create()))
    assert isinstance(answer, BusyError)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_who_may_not_look_is_told_so(namespace: Namespace) -> None:
    found = namespace.run_without_rights(lambda: Nftables().dump({"nftables": PARTS})["nftables"])
    assert isinstance(found, DeniedError)
    assert "CAP_NET_ADMIN" in str(found)


def test_who_may_not_look_and_asks_for_nothing_misses_nothing(namespace: Namespace) -> None:
    found = namespace.run_without_rights(lambda: Nftables().dump({"nftables": None})["nftables"])
    assert isinstance(found, Dump)
    assert list(found.rows) == []


def heard(events: NftablesEvents) -> News:
    assert select.select([events], [], [], HEARD_SECONDS)[0]
    return events.read()


@pytest.mark.parametrize(
    "deed",
    [
        f"insert rule {FAMILY} {TABLE} leaving accept",
        f"add element {FAMILY} {TABLE} mesh {{ mesh7 }}",
        f"flush chain {FAMILY} {TABLE} leaving",
        f"delete table {FAMILY} {TABLE}",
        "flush ruleset",
        f"add chain {FAMILY} {TABLE} mine",
    ],
)
def test_what_others_do_to_our_table_is_news_that_says_who(place: Place, events: NftablesEvents, deed: str) -> None:
    place.nft(deed)
    news = heard(events)
    assert news.tables == OURS
    assert news.actors["nftables"].endswith("(nft)")
    assert events.read() == News()


def test_what_happens_to_other_tables_is_no_news(place: Place, events: NftablesEvents) -> None:
    place.nft(f"add table inet theirs; add chain inet theirs a; add table ip {TABLE}; delete table inet theirs")
    assert heard(events) == News()


def test_our_own_changes_are_no_news(place: Place, events: NftablesEvents) -> None:
    wanted = TABLES["all"]
    change = wanted.update(WANTED, wanted.changes(WANTED))
    assert place.namespace.run(lambda: place.backend.send((*change, *wanted.delete()))) == [None, None]
    assert heard(events) == News()
    place.nft(f"add table {FAMILY} {TABLE}")
    assert heard(events).tables == OURS


def test_before_the_table_is_looked_for_nothing_is_told(place: Place) -> None:
    opened = place.events()
    place.nft(f"add table {FAMILY} {TABLE}")
    assert select.select([opened], [], [], 0)[0] == []
    place.look()
    place.nft(f"add chain {FAMILY} {TABLE} mine")
    assert heard(opened).tables == OURS
    opened.close()
    assert opened.read() == News()


def test_lost_news_are_news(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables_netlink, "RECEIVE_BUFFER_BYTES", 1)
    place.look()
    opened = place.events()
    place.nft("; ".join(f"add table ip t{number}" for number in range(200)))
    assert heard(opened).tables == OURS
    assert opened.read() == News()
    place.nft(f"add table {FAMILY} {TABLE}")
    assert heard(opened).tables == OURS
    opened.close()
