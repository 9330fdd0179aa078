"""The kernel parameters of the fake (Documentation/networking/ip-sysctl.rst)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from intent.resources.sysctl import WriteSysctl
from reconciler.backends.fake.links import FakeLink
from reconciler.core.backend import Dump, Partitions
from reconciler.core.errors import BackendError, RejectedError, StaleError

PER_LINK = {
    "ipv4": {"forwarding": "0", "rp_filter": "0", "accept_redirects": "1", "send_redirects": "1"},
    "ipv6": {"forwarding": "0", "accept_ra": "1", "autoconf": "1", "accept_redirects": "1", "disable_ipv6": "0"},
}
"""Parameters that every link has, and ``all`` and ``default``, with what a kernel begins with."""


class FakeSysctls:
    """Parameters by name with slashes. Every value is a number; a link's parameters come and go with it."""

    tables = frozenset({"sysctl"})

    def __init__(self, more: Mapping[str, str]) -> None:
        self.values = dict(more)
        self._first = dict(more)
        for place in ("all", "default"):
            self._begin(place, PER_LINK)

    def dump(self, partitions: Partitions) -> Dump:
        """Return a row of name and value for each named parameter that is there."""
        names = sorted(map(str, partitions or ()))
        return Dump([(name, self.values[name]) for name in names if name in self.values])

    def carry_out(self, request: WriteSysctl) -> BackendError | None:
        """Write a value; forwarding for all links is set for each (addrconf_fixup_forwarding, inet_forward_change)."""
        about = f"sysctl {request.name} = {request.value}"
        if request.name not in self.values:
            return StaleError(f"{about}: this kernel has no such parameter, or its link is gone")
        if not request.value.removeprefix("-").isdecimal():
            return RejectedError(f"{about}: Invalid argument")
        self.values[request.name] = request.value
        head, _, last = request.name.rpartition("/conf/all/")
        if last == "forwarding":
            for name in self.values:
                if name.startswith(f"{head}/conf/") and name.endswith("/forwarding"):
                    self.values[name] = request.value
        return None

    def add(self, link: FakeLink) -> None:
        """Give a new link its parameters: those of ``default``."""
        now = {
            family: {last: self.values[f"net/{family}/conf/default/{last}"] for last in parameters}
            for family, parameters in PER_LINK.items()
        }
        self._begin(link.name, now)

    def drop(self, link: FakeLink) -> None:
        """Take the parameters of a link that is gone away."""
        for family in PER_LINK:
            for name in [name for name in self.values if name.startswith(f"net/{family}/conf/{link.name}/")]:
                del self.values[name]

    def describe(self) -> Iterator[str]:
        """Yield a line for every parameter that is not what it was at first."""
        yield from (f"sysctl {name} = {value}" for name, value in self.values.items() if self._first[name] != value)

    def _begin(self, place: str, values: Mapping[str, Mapping[str, str]]) -> None:
        for family, parameters in values.items():
            for last, value in parameters.items():
                name = f"net/{family}/conf/{place}/{last}"
                self.values[name] = value
                self._first[name] = value
