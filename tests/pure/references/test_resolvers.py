"""What a node file refers to: each kind has its resolver, found; a look tells from the next whether values changed."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest

from intent import references as kinds
from intent.age_text import inlined
from intent.references import HostAddress, KernelLinkKind, PresharedKeyFile, PrivateKeyFile, Reference, References
from intent.resources.wireguard_names import key_text
from intent.secrets import PresharedKey, PrivateKey
from reconciler import backends
from reconciler.backends.age_files import encrypt, new_identity
from reconciler.backends.delegated_prefixes import Delegations
from reconciler.backends.names import CachingResolver
from reconciler.backends.references import Resolvers, lives_on, resolve
from reconciler.core.errors import RejectedError
from tests.pure.references.test_caching_resolver import ONE, Bed

MODULE = """
from tests.pure.references.test_resolvers import Weather
from reconciler.backends.references import Resolution, Resolver

class Window(Resolver[Weather]):
    reference_types = (Weather,)

    def resolve(self, reference):
        return Resolution("rain", (f"rain in {reference.place}",))

RESOLVER = Window
"""


@dataclass(frozen=True)
class Weather(Reference[str]):
    place: str


@dataclass(frozen=True)
class Unheard(Reference[str]):
    pass


def write_key(path: Path, content: bytes) -> str:
    path.write_text(key_text(content))
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def _window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "window.py").write_text(MODULE)
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    yield
    sys.modules.pop("reconciler.backends.window", None)


@pytest.mark.usefixtures("_window")
def test_a_module_is_all_that_a_resolver_takes() -> None:
    resolved = resolve([Weather("Berlin"), Weather("Berlin")])
    assert resolved.references[Weather("Berlin")] == "rain"
    assert resolved.notes == ("rain in Berlin",)


@pytest.mark.usefixtures("_window")
def test_two_resolvers_of_one_kind_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "window.py").write_text(
        MODULE.replace("Weather", "KernelLinkKind").replace("tests.pure.references.test_resolvers", "intent.references")
    )
    with pytest.raises(TypeError, match=r"two modules .* KernelLinkKind"):
        Resolvers()


def test_a_kind_that_nothing_resolves_is_named() -> None:
    with pytest.raises(TypeError, match="resolves Unheard"):
        resolve([Unheard()])


def test_every_kind_of_reference_has_its_resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.backends.uplinks.advertised", lambda: ("wan",))
    monkeypatch.setattr("reconciler.backends.link_kinds.known", lambda kind: kind == "gre")
    given = Delegations({IPv6Network("2a00:1::/56"): math.inf})
    monkeypatch.setattr("reconciler.backends.delegated_prefixes.delegations", lambda: given)
    path = write_key(tmp_path / "key", b"k" * 32)
    identity, recipient = new_identity()
    (tmp_path / "identity").write_text(identity)
    (tmp_path / "identity").chmod(0o600)
    monkeypatch.setenv("STELLWERK_IDENTITY", str(tmp_path / "identity"))
    age = inlined(encrypt(Path(path).read_bytes(), [recipient]))
    examples: dict[type, tuple[Reference[Any], object]] = {
        kinds.PrivateKeyFile: (PrivateKeyFile(path, False), kinds.ResolvedKey(PrivateKey(b"k" * 32), False)),
        kinds.PresharedKeyFile: (PresharedKeyFile(path), PresharedKey(b"k" * 32)),
        kinds.AgePrivateKey: (kinds.AgePrivateKey(age), kinds.ResolvedKey(PrivateKey(b"k" * 32), False)),
        kinds.AgePresharedKey: (kinds.AgePresharedKey(age), PresharedKey(b"k" * 32)),
        kinds.HostAddress: (HostAddress("192.0.2.1"), ("192.0.2.1",)),
        kinds.KernelLinkKind: (KernelLinkKind("gre"), True),
        kinds.AdvertisedUplinks: (kinds.AdvertisedUplinks(), ("wan",)),
        kinds.DelegatedPrefix: (kinds.DelegatedPrefix("wan", 60), IPv6Network("2a00:1:0:f0::/60")),
    }
    declared = {one for one in vars(kinds).values() if isinstance(one, type) and issubclass(one, Reference)}
    assert examples.keys() == declared - {Reference}
    resolved = resolve(reference for reference, _ in examples.values())
    for reference, value in examples.values():
        assert resolved.references[reference] == value
    assert (resolved.notes, resolved.generated) == ((), ())


def test_two_looks_are_equal_while_no_value_has_changed(tmp_path: Path) -> None:
    key, psk = tmp_path / "key", tmp_path / "psk"
    wanted: list[Reference[Any]] = [
        PrivateKeyFile(write_key(key, b"1" * 32), generate=False),
        PresharedKeyFile(write_key(psk, b"2" * 32)),
        HostAddress("192.0.2.1"),
    ]
    resolvers = Resolvers()
    first = resolvers.resolve(wanted).references
    key.touch()
    assert resolvers.resolve(wanted).references == first
    assert resolvers.resolve(reversed(wanted)).references == first
    assert resolvers.resolve(wanted[:2]).references != first
    write_key(psk, b"3" * 32)
    assert resolvers.resolve(wanted).references != first
    write_key(psk, b"2" * 32)
    assert resolvers.resolve(wanted).references == first
    write_key(key, b"4" * 32)
    assert resolvers.resolve(wanted).references != first


def test_a_comparison_shows_no_secret() -> None:
    held = [References({PresharedKeyFile("/k"): PresharedKey(letter * 32)}) for letter in (b"a", b"b")]
    assert held[0] != held[1]
    assert "aaaa" not in f"{held[0]!r} {held[0]}"


def test_the_files_are_known_even_if_they_are_refused(tmp_path: Path) -> None:
    missing, other = str(tmp_path / "missing"), str(tmp_path / "other")
    wanted: list[Reference[Any]] = [
        PrivateKeyFile(missing, generate=False),
        PresharedKeyFile(other),
        KernelLinkKind("gre"),
    ]
    resolvers = Resolvers()
    assert resolvers.files(wanted) == (missing, other)
    with pytest.raises(RejectedError, match=missing):
        resolvers.resolve(wanted)


def test_a_key_that_was_made_stays_until_its_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    reference = PrivateKeyFile(str(path), generate=True)
    resolvers = Resolvers()
    looks = [resolvers.resolve([reference]) for _ in range(2)]
    assert looks[0] == looks[1]
    assert looks[0].generated == (str(path),)
    made = looks[0].references[reference].key
    assert Resolvers().resolve([reference]).references[reference].key != made
    write_key(path, made.reveal())
    written = resolvers.resolve([reference])
    assert (written.references[reference].key, written.generated) == (made, ())
    path.unlink()
    assert resolvers.resolve([reference]).references[reference].key != made


def test_a_long_running_process_does_not_wait_for_names() -> None:
    bed = Bed()
    bed.server.hanging = {ONE.name}
    resolvers = Resolvers(bed.names)
    assert isinstance(bed.names, CachingResolver)
    first = resolvers.resolve([ONE])
    assert first.references[ONE] == ()
    assert first.notes == (f"{ONE.name} has no address now; its endpoint is left as it is",)
    bed.server.released.set()
    bed.rest()
    assert bed.told()
    second = resolvers.resolve([ONE])
    assert second.references[ONE] == ("192.0.2.1",)
    assert second.references != first.references
    assert second.notes == ()
    # Names that the next intent does not have are not looked up any more.
    resolvers.resolve([])
    assert bed.names.due() == math.inf
    bed.names.close()


def test_a_module_may_have_a_resolver_that_lasts_and_rings() -> None:
    bed = Bed()
    rang = threading.Event()
    resolvers = Resolvers.lasting(bed.time, rang.set)
    assert resolvers.due() == math.inf
    assert resolvers.resolve([HostAddress("192.0.2.1")]).references[HostAddress("192.0.2.1")] == ()
    assert rang.wait(20)
    assert resolvers.due() <= bed.time.now()
    assert resolvers.refresh(bed.time.now())
    assert resolvers.resolve([HostAddress("192.0.2.1")]).references[HostAddress("192.0.2.1")] == ("192.0.2.1",)
    assert resolvers.due() > bed.time.now()
    assert not resolvers.refresh(bed.time.now())
    resolvers.close()
    assert resolvers.due() == math.inf


@dataclass(frozen=True)
class Window(Reference[str]):
    tables: tuple[tuple[str, frozenset[int] | None], ...]

    @property
    def lives_on(self) -> Mapping[str, frozenset[Hashable] | None]:
        return {table: None if parts is None else frozenset[Hashable](parts) for table, parts in self.tables}

    def change(self, before: str, after: str) -> str:
        return f"from {before} to {after}" if after else ""


def test_what_references_live_on_is_told_of_all_together() -> None:
    main = Window((("route", frozenset({254})), ("address", None)))
    mesh = Window((("route", frozenset({10})),))
    everything = Window((("route", None), ("rule", frozenset({1}))))
    assert lives_on([HostAddress("a")]) == {}
    assert lives_on([main, mesh]) == {"route": frozenset({254, 10}), "address": None}
    assert lives_on([main, everything, mesh]) == {"route": None, "address": None, "rule": frozenset({1})}


def test_what_has_changed_is_told_in_words() -> None:
    one, other, new = Window(()), Window((("address", None),)), Window((("link", None),))
    before = References({one: "rain", other: "snow"})
    after = References({one: "sun", other: "snow", new: "hail"})
    assert after.changes(before) == ("from rain to sun",)
    assert References({one: ""}).changes(before) == ()
    assert before.changes(before) == ()


def test_looking_opens_nothing_that_stays_open(tmp_path: Path) -> None:
    wanted: list[Reference[Any]] = [PresharedKeyFile(write_key(tmp_path / "psk", b"2" * 32)), HostAddress("192.0.2.1")]
    resolve(wanted)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        resolve(wanted)
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() < 20
