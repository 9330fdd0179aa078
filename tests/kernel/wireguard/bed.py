"""A network namespace to make WireGuard interfaces in, with the reconciler's own backends and `wg` as the oracle."""

from __future__ import annotations

import ctypes
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from intent.resources.link import Link
from intent.resources.resource import Resource
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_link import UserspaceWireGuardLink, WireGuardLink
from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_port import WireGuardPort
from intent.secrets import PrivateKey
from reconciler.backends.processes import Processes
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.backends.wireguard import WireGuard
from reconciler.core import reconcile
from reconciler.core.backend import Dump
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.plan import Plan
from tests.leftovers import session_name

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
PATIENCE_SECONDS = 30.0


def until(met: Callable[[], T | None], what: str) -> T:
    """Return what the condition gives as soon as it holds; fail after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := met()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:g} s"
        time.sleep(0.02)
    return found


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class MakeLink(Protocol):
    """A kind of WireGuard link, without saying which."""

    def __call__(self, *, name: str, mtu: int | None = None) -> Link: ...


IMPLEMENTATIONS: dict[str, MakeLink] = {"kernel": WireGuardLink, "userspace": UserspaceWireGuardLink}


def fresh_key() -> PrivateKey:
    return PrivateKey(os.urandom(32))


def fresh_public() -> str:
    # Any 32 bytes are the public key of someone; making it from a private one costs time a thousand times.
    return key_text(os.urandom(32))


class OraclePeer(NamedTuple):
    """A line of ``wg show NAME dump``."""

    public_key: str
    preshared_key: str
    endpoint: str
    allowed_ips: str
    last_handshake: str
    received: str
    sent: str
    keepalive: str


class Bed:
    """The namespace this thread is in, and what the reconciler remembers of it."""

    def __init__(self, make_link: MakeLink, token: str) -> None:
        self.make_link = make_link
        self.token = token
        self.store = InventoryInMemory()
        self.rtnetlink = Rtnetlink()
        self.wireguard = WireGuard()
        self.processes = Processes()
        self.backends = (self.rtnetlink, self.processes, self.wireguard)

    def name(self, suffix: str = "a") -> str:
        """Return a name that no other namespace uses: userspace sockets of all of them are in one folder."""
        return f"wg{self.token}{suffix}"

    def interface(
        self,
        suffix: str = "a",
        port: int | None = None,
        key: PrivateKey | None = None,
        fwmark: int | None = None,
    ) -> list[Resource]:
        """Return a link, its configuration and, where given, its port."""
        name = self.name(suffix)
        resources: list[Resource] = [
            self.make_link(name=name, mtu=1400),
            WireGuardDevice(link=name, private_key=key or fresh_key(), fwmark=fwmark),
        ]
        return resources if port is None else [*resources, WireGuardPort(link=name, port=port)]

    def look(self, desired: Sequence[Resource]) -> reconcile.Look:
        return reconcile.look(desired, self.backends, self.store)

    def plan(self, desired: Sequence[Resource]) -> Plan:
        return self.look(desired).plan

    def apply(self, desired: Sequence[Resource]) -> reconcile.Round:
        return reconcile.apply(self.look(desired), desired, self.backends, self.store)

    def converge(self, desired: Sequence[Resource]) -> reconcile.Round:
        """Apply once; everything must have been done and nothing must be left to do."""
        round_ = self.apply(desired)
        assert [f"{o.operation.key}: {o.error}" for o in round_.outcomes if o.error] == []
        left = round_.remaining.plan
        assert left.empty, (lines(left), left)
        return round_

    def look_at(self, name: str) -> Dump:
        dump = self.wireguard.dump({"wireguard": frozenset({name})})["wireguard"]
        assert isinstance(dump, Dump), dump
        return dump

    def rows(self, name: str) -> dict[str, tuple[object, ...]]:
        """Return the raw peer rows of a link as the backend gives them, by public key."""
        dump = self.look_at(name)
        found: dict[str, tuple[object, ...]] = {}
        for row in dump.rows:
            peer = WireGuardPeer.decode(row, dump.context)
            if peer is not None:
                found[peer.public_key] = tuple(row)
        return found

    def peers(self, name: str) -> dict[str, WireGuardPeer]:
        """Return the peers of a link as they are decoded."""
        dump = self.look_at(name)
        decoded = [WireGuardPeer.decode(row, dump.context) for row in dump.rows]
        return {peer.public_key: peer for peer in decoded if peer is not None}

    def oracle(self, name: str) -> tuple[list[str], dict[str, OraclePeer]]:
        """Return what `wg` says about the interface (private key, public key, port, mark) and its peers."""
        device, *peers = run("wg", "show", name, "dump").splitlines()
        return device.split("\t"), {p.split("\t")[0]: OraclePeer(*p.split("\t")) for p in peers}

    def close(self) -> None:
        for backend in self.backends:
            backend.close()


def lines(plan: Plan) -> list[str]:
    return [f"{op.action} {op.resource.describe()}: {op.reason}" for op in plan.operations]


@contextmanager
def inside_namespace(purpose: str) -> Iterator[str]:
    """Put this thread into a new namespace, and remove it with all that was made in it."""
    name = session_name(purpose)
    run("ip", "netns", "add", name)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _enter(there)
        run("ip", "link", "set", "lo", "up")
        yield name
    finally:
        _enter(home)
        os.close(home)
        os.close(there)
        run("ip", "netns", "delete", name)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def bed(make_link: MakeLink) -> Iterator[Bed]:
    """Yield a bed in a namespace of its own; in the end its links are deleted and its programs have ended."""
    token = secrets.token_hex(3)
    with inside_namespace(f"wireguard-{token}"):
        made = Bed(make_link, token)
        try:
            yield made
        finally:
            made.close()
            links = [row.split(":")[1].strip() for row in run("ip", "-o", "link", "show").splitlines()]
            for link in links:
                if link.startswith(f"wg{token}"):
                    run("ip", "link", "delete", link)
            until(lambda: not sockets(token), "the userspace WireGuards end with their links")


def sockets(token: str) -> list[Path]:
    return list(Path("/var/run/wireguard").glob(f"wg{token}*.sock"))
