"""The node that a contract is tried on: a fake one, or a namespace of a real kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from intent.resources import kinds, netlink
from intent.resources.address import IFA_ADDRESS, IFA_LOCAL, RTM_NEWADDR
from intent.resources.link import IFF_UP, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, RTM_NEWLINK, RTM_SETLINK
from intent.resources.netlink import IndexOf, NetlinkRequest
from intent.resources.resource import Key, Request, Resource
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError

T = TypeVar("T")
Answers = list[BackendError | None]


class Runner(Protocol):
    """Runs a function where the node is."""

    def __call__(self, work: Callable[[], T]) -> T: ...


def here(work: Callable[[], T]) -> T:
    return work()


class ContractNode:
    """Backends and where they run, with two links up that are not ours: ``mesh0`` and ``mesh1``."""

    def __init__(self, backends: Sequence[Backend], run: Runner = here) -> None:
        self._backends = backends
        self._run = run

    def send(self, *requests: Request) -> Answers:
        """Return what became of the requests, which all are for one backend."""
        backend = next(backend for backend in self._backends if isinstance(requests[0], backend.requests))
        return self._run(lambda: backend.send(requests))

    def lacks(self, *requests: Request) -> Sequence[BackendError]:
        backend = next(backend for backend in self._backends if isinstance(requests[0], backend.requests))
        return self._run(lambda: backend.lacks(requests))

    def make(self, *resources: Resource) -> None:
        """Create the resources, one request of each, and make sure that it is done."""
        requests = [request for resource in resources for request in resource.create()]
        assert self.send(*requests) == [None] * len(requests)

    def dump(self, table: str, partitions: Partitions = None) -> Dump:
        backend = next(backend for backend in self._backends if table in backend.tables)
        found = self._run(lambda: backend.dump({table: partitions}))[table]
        assert isinstance(found, Dump), found
        return found

    def rows(self, table: str, partitions: Partitions = None) -> list[Any]:
        return list(self.dump(table, partitions).rows)

    def seen(self, table: str, partitions: Partitions = None) -> dict[Key, Resource]:
        """Return what is in a table, decoded as a look does."""
        dump = self.dump(table, partitions)
        decoded = (next(filter(None, (kind.decode(row, dump.context) for kind in kinds()[table]))) for row in dump.rows)
        return {resource.key: resource for resource in decoded}

    def set_link(self, name: str, up: bool) -> None:
        (answer,) = self.send(set_link(name, up))
        assert answer is None


def flat(parts: netlink.Body) -> netlink.Body:
    return netlink.join(parts)


def link_by_hand(name: str, kind: str) -> NetlinkRequest:
    """Return the request of an administrator who makes a link."""
    body = (
        bytes(16),
        *netlink.string(IFLA_IFNAME, name),
        *netlink.nested(IFLA_LINKINFO, *netlink.string(IFLA_INFO_KIND, kind)),
    )
    return NetlinkRequest(RTM_NEWLINK, netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, flat(body), f"by hand: {name}")


def set_link(name: str, up: bool) -> NetlinkRequest:
    """Return the request of an administrator who sets a link up or down."""
    flags = (IFF_UP if up else 0).to_bytes(4, "little") + IFF_UP.to_bytes(4, "little")
    body = (bytes(8) + flags, *netlink.string(IFLA_IFNAME, name))
    return NetlinkRequest(RTM_SETLINK, 0, flat(body), f"by hand: {name}")


def address_by_hand(link: str, packed: bytes, length: int) -> NetlinkRequest:
    """Return the request of an administrator who adds an address, which has no protocol then."""
    family = 2 if len(packed) == 4 else 10
    body = (
        bytes((family, length, 0, 0)),
        IndexOf(link),
        *netlink.attribute(IFA_LOCAL, packed),
        *netlink.attribute(IFA_ADDRESS, packed),
    )
    flags = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
    return NetlinkRequest(RTM_NEWADDR, flags, flat(body), f"by hand: address on {link}")
