"""The backend for WireGuard: the kernel's and userspace ones side by side, told apart per link."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

from intent.resources.resource import Request
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import (
    HANDSHAKE_STALE_AFTER_SECONDS,
    TABLE,
    PeerMemory,
    WireGuardContext,
)
from reconciler.backends.wireguard_errors import Results, about, of_each
from reconciler.backends.wireguard_netlink import KernelRows, KernelWireGuard
from reconciler.backends.wireguard_uapi import UserspaceRows, UserspaceWireGuard
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, RejectedError, StaleError


class Rows:
    """The rows of several interfaces."""

    def __init__(self, interfaces: Sequence[KernelRows | UserspaceRows]) -> None:
        self._interfaces = interfaces

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows, interface by interface."""
        return chain.from_iterable(self._interfaces)


class WireGuard(Backend):
    """The backend for the table ``wireguard``: rows of interfaces and of peers. Its partitions are names of links.

    A link is the kernel's unless a userspace WireGuard has a socket of its name and the kernel says that it is none
    of its own: the folder of those sockets is shared by all network namespaces, and a socket outlives its link for
    a moment.
    """

    tables: ClassVar[frozenset[str]] = frozenset({TABLE})
    requests: ClassVar[tuple[type[Request], ...]] = (SetDevice, SetPeer)

    def __init__(self) -> None:
        self._kernel = KernelWireGuard()
        self._userspace = UserspaceWireGuard()
        self._digest: Hashable | None = None
        self._memory = PeerMemory()

    def close(self) -> None:
        """Close the netlink sockets, and forget what was seen."""
        self._kernel.close()
        self._digest = None
        self._memory = PeerMemory()

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return the interface and the peers of each named link, of every WireGuard for ``None``.

        A link that is not there, or is no WireGuard, has no rows. Counters do not count for the digest, and of a
        handshake only whether it is stale.
        """
        return {table: self._look(partitions) for table, partitions in wanted.items()}

    def send(self, requests: Iterable[Request]) -> Results:
        """Carry out the requests; neighbouring ones for peers of one link go out together."""
        results: Results = []
        for run in in_runs(requests):
            try:
                results += self._send_run(run)
            except BackendError as error:
                results += of_each(run, error)
        return results

    def _look(self, partitions: Partitions) -> Dump | BackendError:
        now = time.time()
        names = dict(socket.if_nameindex())
        here = set(names.values())
        found: dict[str, KernelRows | UserspaceRows] = {}
        try:
            links = self._all() if partitions is None else map(str, partitions)
            for link in sorted(here.intersection(links)):
                rows = self._rows(link, now - HANDSHAKE_STALE_AFTER_SECONDS)
                if rows is not None:
                    found[link] = rows
        except BackendError as error:
            return error
        self._kernel.forget_all_but(found.keys())
        digest = frozenset(names.items()), tuple((link, rows.digest) for link, rows in found.items())
        if digest == self._digest:
            self._memory.settle()
        else:
            self._digest, self._memory = digest, self._memory.next()
        return Dump(Rows(tuple(found.values())), WireGuardContext(now, names, self._memory), digest)

    def _rows(self, link: str, stale_before: float) -> KernelRows | UserspaceRows | None:
        try:
            return self._way_to(link).rows(link, stale_before)
        except (ValueError, struct.error) as error:
            # What is malformed is not quoted: it may hold keys.
            raise RejectedError(f"wireguard {link}: its peers could not be understood: {error}") from error

    def _all(self) -> set[str]:
        return {*self._kernel.links(), *self._userspace.links()}

    def _way_to(self, link: str) -> KernelWireGuard | UserspaceWireGuard:
        if self._userspace.holds(link) and not self._kernel.holds(link):
            return self._userspace
        return self._kernel

    def _send_run(self, run: Sequence[SetDevice | SetPeer]) -> Results:
        link = run[0].link
        try:
            socket.if_nametoindex(link)
        except OSError:
            return [None if isinstance(request, SetPeer) and request.remove else _no_link(request) for request in run]
        way = self._way_to(link)
        if isinstance(run[0], SetDevice):
            return [way.set_device(request) for request in run if isinstance(request, SetDevice)]
        return way.set_peers(link, [request for request in run if isinstance(request, SetPeer)])


def _no_link(request: Request) -> StaleError:
    return StaleError(f"{about(request)}: there is no such link; it went away, or was not made")


def in_runs(requests: Iterable[Request]) -> Iterator[list[SetDevice | SetPeer]]:
    """Yield neighbouring requests that may go out together: for peers of one link, none of them twice."""
    run: list[SetDevice | SetPeer] = []
    seen: set[str] = set()
    for request in requests:
        if not isinstance(request, SetDevice | SetPeer):
            continue
        alone = isinstance(request, SetDevice) or request.public_key in seen
        if run and (alone or isinstance(run[0], SetDevice) or run[0].link != request.link):
            yield run
            run, seen = [], set()
        run.append(request)
        if isinstance(request, SetPeer):
            seen.add(request.public_key)
    if run:
        yield run
