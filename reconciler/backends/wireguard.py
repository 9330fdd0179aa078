"""The backend for WireGuard: the kernel's and userspace ones side by side, told apart per link."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from intent.resources.resource import Request
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import TABLE, WireGuardContext
from reconciler.backends.wireguard_errors import Results, about, of_each
from reconciler.backends.wireguard_netlink import KernelWireGuard
from reconciler.backends.wireguard_uapi import UserspaceWireGuard
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, StaleError


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

    def close(self) -> None:
        """Close the netlink sockets."""
        self._kernel.close()

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return the interface and the peers of each named link, of every WireGuard for ``None``.

        A link that is not there, or is no WireGuard, has no rows.
        """
        return {table: self._look(partitions) for table, partitions in wanted.items()}

    def send(self, requests: Sequence[Request]) -> Results:
        """Carry out the requests; neighbouring ones for peers of one link go out together."""
        results: Results = []
        for run in in_runs(requests):
            try:
                results += self._send_run(run)
            except BackendError as error:
                results += of_each(run, error)
        return results

    def _look(self, partitions: Partitions) -> Dump | BackendError:
        names = dict(socket.if_nameindex())
        here = set(names.values())
        rows: list[Any] = []
        try:
            links = self._all() if partitions is None else map(str, partitions)
            for link in sorted(here.intersection(links)):
                rows += self._way_to(link).rows(link)
        except BackendError as error:
            return error
        return Dump(rows, WireGuardContext(now=time.time(), link_names=names))

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


def in_runs(requests: Sequence[Request]) -> Iterator[list[SetDevice | SetPeer]]:
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
