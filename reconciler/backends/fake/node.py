"""A whole node in memory: a backend that takes every request and gives every kind of row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from intent.resources.babel_daemon import AwaitBabeld, RestartBabeld
from intent.resources.babel_interface import AddBabelInterface, FlushBabelInterface
from intent.resources.babel_requests import AwaitWithdrawal, AwaitXroute
from intent.resources.file import ChangeMode, CreateKeyFile, RemoveFile, WriteFile
from intent.resources.netlink import NetlinkRequest
from intent.resources.nftables_table import ChangeNftables
from intent.resources.processes import AwaitEnd, StartProcess
from intent.resources.resource import Request
from intent.resources.sysctl import WriteSysctl
from intent.resources.wireguard_requests import SetDevice, SetPeer
from reconciler.backends.fake.babeld import FakeBabelds
from reconciler.backends.fake.files import FakeFiles
from reconciler.backends.fake.kernel import FakeKernel
from reconciler.backends.fake.links import KINDS
from reconciler.backends.fake.nftables import FakeNftables
from reconciler.backends.fake.sysctls import FakeSysctls
from reconciler.backends.fake.wireguard import FakeWireGuard
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, UnsupportedError

Deed = Callable[[Any], BackendError | None]


class KilledError(Exception):
    """The program was to die here: what comes after is not done."""


class FakeNode(Backend):
    """A node in memory. It refuses what a kernel refuses, so that a plan in the wrong order fails on it.

    Foreign objects are made through its parts: ``kernel.add_link``, ``files.put``, ``babelds.start``, or by `send`.
    `requests_seen` is everything that was sent.
    """

    tables: ClassVar[frozenset[str]] = frozenset().union(
        *(part.tables for part in (FakeKernel, FakeSysctls, FakeWireGuard, FakeBabelds, FakeFiles, FakeNftables))
    )
    requests: ClassVar[tuple[type[Request], ...]] = (
        *(NetlinkRequest, WriteSysctl, SetDevice, SetPeer, StartProcess, AwaitEnd, ChangeNftables),
        *(WriteFile, ChangeMode, RemoveFile, CreateKeyFile),
        *(AddBabelInterface, FlushBabelInterface, AwaitXroute, AwaitWithdrawal, RestartBabeld, AwaitBabeld),
    )

    def __init__(
        self,
        *,
        link_kinds: frozenset[str] = KINDS,
        keeps_address_protocol: bool = True,
        babeld_version: str = "babeld-1.14",
        programs: frozenset[str] = frozenset({"wireguard-go", "nft"}),
        sysctls: Mapping[str, str] | None = None,
    ) -> None:
        self.kernel = FakeKernel(link_kinds, keeps_address_protocol)
        self.sysctls = FakeSysctls(sysctls or {})
        self.kernel.after_made.append(self.sysctls.add)
        self.kernel.after_gone.append(self.sysctls.drop)
        self.wireguard = FakeWireGuard(self.kernel, programs)
        self.nftables = FakeNftables("nft" in programs)
        self.files = FakeFiles()
        self.babelds = FakeBabelds(self.kernel, self.files, babeld_version)
        self.requests_seen: list[Request] = []
        self._deeds: dict[type[Request], Deed] = {
            NetlinkRequest: self.kernel.carry_out,
            WriteSysctl: self.sysctls.carry_out,
            ChangeNftables: self.nftables.carry_out,
            **dict.fromkeys((SetDevice, SetPeer), self.wireguard.carry_out),
            **dict.fromkeys((StartProcess, AwaitEnd), self.wireguard.start),
            **dict.fromkeys((WriteFile, ChangeMode, RemoveFile, CreateKeyFile), self.files.carry_out),
            **dict.fromkeys(self.requests[-6:], self.babelds.carry_out),
        }
        self._looks: dict[str, Callable[[Partitions], Dump]] = {
            **{table: partial(self.kernel.dump, table) for table in FakeKernel.tables},
            **{table: partial(self.files.dump, table) for table in FakeFiles.tables},
            **{"sysctl": self.sysctls.dump, "wireguard": self.wireguard.dump, "babel": self.babelds.dump},
            "nftables": self.nftables.dump,
        }
        self._failures: dict[int, BackendError] = {}
        self._hidden: dict[str, BackendError] = {}
        self._dies_after: int | None = None

    def fail(self, nth: int, error: BackendError) -> None:
        """Answer the nth request from now, counted from 1, with the error and do not carry it out."""
        self._failures[len(self.requests_seen) + nth] = error

    def die_after(self, count: int) -> None:
        """Carry out that many more requests and raise KilledError at the next one, until `recover`."""
        self._dies_after = len(self.requests_seen) + count

    def hide(self, table: str, error: BackendError) -> None:
        """Give the error for every look at the table, until `recover`."""
        self._hidden[table] = error

    def recover(self) -> None:
        """Take back all faults."""
        self._failures.clear()
        self._hidden.clear()
        self._dies_after = None

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Look at each wanted table."""
        return {
            table: self._hidden[table] if table in self._hidden else self._looks[table](partitions)
            for table, partitions in wanted.items()
        }

    def lacks(self, requests: Sequence[Request]) -> list[UnsupportedError]:
        """Return what the node lacks, each once: kinds of links, programs."""
        found: dict[str, UnsupportedError] = {}
        for request in requests:
            lack = None
            if isinstance(request, NetlinkRequest):
                lack = self.kernel.lacking(request)
            elif isinstance(request, StartProcess):
                lack = self.wireguard.lacking(request)
            elif isinstance(request, ChangeNftables):
                lack = self.nftables.lacking(request)
            if lack is not None:
                found[str(lack)] = lack
        return list(found.values())

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Carry out the requests in order. Raises KilledError where it was told to die."""
        return [self._carry_out(request) for request in requests]

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def describe(self) -> list[str]:
        """Return a line for everything that is there, sorted."""
        parts = (self.kernel, self.sysctls, self.wireguard, self.babelds, self.files, self.nftables)
        return sorted(line for part in parts for line in part.describe())

    def _carry_out(self, request: Request) -> BackendError | None:
        if self._dies_after is not None and len(self.requests_seen) >= self._dies_after:
            raise KilledError
        self.requests_seen.append(request)
        failure = self._failures.pop(len(self.requests_seen), None)
        return self._deeds[type(request)](request) if failure is None else failure
