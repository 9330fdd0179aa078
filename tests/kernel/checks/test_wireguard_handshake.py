"""Handshakes between two userspace WireGuards."""

from __future__ import annotations

import base64
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intent.checks import WireGuardHandshake
from intent.resources.processes import StartProcess
from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_uapi import GET, socket_path
from intent.secrets import PrivateKey
from reconciler.backends.checks import carry_out
from reconciler.backends.processes import Processes
from reconciler.core.checks import CheckResult
from tests.namespaces import Namespace, namespaces

BOUND_SECONDS = 30.0


def until(met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class End:
    """One end of a tunnel, over the cable ``wan``."""

    def __init__(self, namespace: Namespace, link: str, number: int, folder: Path) -> None:
        self.namespace, self.link = namespace, link
        self.underlay, self.inside = f"2001:db8::{number}", f"fd00::{number}"
        self.private_key = PrivateKey(secrets.token_bytes(32))
        self.public_key = key_text(self.private_key.public)
        started = StartProcess(("wireguard-go", link), socket_path(link), GET)
        assert namespace.run(lambda: Processes().send([started])) == [None]
        key_file = folder / f"{link}.key"
        key_file.write_text(base64.b64encode(self.private_key.reveal()).decode())
        namespace.program("wg", "set", link, "private-key", str(key_file), "listen-port", "51820")
        namespace.ip("address", "add", f"{self.underlay}/64", "dev", "wan", "nodad")
        namespace.ip("address", "add", f"{self.inside}/64", "dev", link, "nodad")
        namespace.ip("link", "set", link, "up")

    def expect(self, other: End, *words: str) -> None:
        """Know the other end as a peer."""
        peer = ("peer", other.public_key, "allowed-ips", f"{other.inside}/128")
        self.namespace.program("wg", "set", self.link, *peer, *words)

    def check(self, not_older_than_seconds: int = 180, peer: str | None = None) -> CheckResult:
        wanted = WireGuardHandshake(interface=self.link, not_older_than_seconds=not_older_than_seconds, peer=peer)
        (result,) = self.namespace.run(lambda: carry_out([wanted]))
        return result

    def remove(self) -> None:
        """Remove the tunnel: its program ends with it."""
        with contextlib.suppress(Exception):
            self.namespace.ip("link", "delete", self.link)
        until(lambda: not Path(socket_path(self.link)).exists(), f"the end of {self.link}")


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[End, End]]:
    token = secrets.token_hex(3)
    with namespaces(2) as (here, there), contextlib.ExitStack() as made:
        here.cable("wan", there, "wan")
        found = []
        for number, namespace in enumerate((here, there), 1):
            found.append(End(namespace, f"wg{token}{number}", number, tmp_path))
            made.callback(found[-1].remove)
        yield found[0], found[1]


def test_a_handshake_is_missing_then_recent_then_old(ends: tuple[End, End]) -> None:
    one, other = ends
    stranger = key_text(PrivateKey(secrets.token_bytes(32)).public)
    assert one.check().reason.startswith(f"{one.link} has no peers; ")
    one.expect(other, "endpoint", f"[{other.underlay}]:51820")
    assert one.check().reason.startswith("there was no handshake yet; see that")
    other.expect(one)
    one.namespace.program("wg", "set", one.link, "peer", other.public_key, "persistent-keepalive", "1")
    until(lambda: one.check().passed, "a handshake")
    until(lambda: other.check().passed, "the other end's")
    assert one.check(peer=other.public_key).passed
    assert one.check().reason.startswith("the last handshake was ")
    assert one.check(peer=stranger).reason.startswith(f"{one.link} has no such peer; ")
    one.namespace.program("wg", "set", one.link, "peer", stranger)
    assert one.check().passed, "one of the peers is enough"
    assert one.check(peer=stranger).reason.startswith("there was no handshake yet")
    until(lambda: not one.check(not_older_than_seconds=1).passed, "the handshake to become old")
    assert one.check(not_older_than_seconds=180).passed
