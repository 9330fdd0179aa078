"""Kernel parameters of the network namespace (sysctl(8), Documentation/networking/ip-sysctl.rst)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from intent.resources.link import key as link_key
from intent.resources.resource import Change, Key, Request, Resource


@dataclass(frozen=True, slots=True)
class WriteSysctl(Request):
    """Write a value below /proc/sys; ``name`` has slashes, such as ``net/ipv6/conf/all/forwarding``."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl(Resource):
    """A kernel parameter. It always exists: the value before the first change is remembered and put back at the end.

    ``after`` names the parameters that must be set before this one.
    """

    table: ClassVar[str] = "sysctl"
    compared: ClassVar[tuple[str, ...]] = ("value",)
    adopts: ClassVar[bool] = True
    inventoried: ClassVar[bool] = True
    partitioned: ClassVar[bool] = True

    name: str
    value: str
    after: tuple[str, ...] = ()
    before: str | None = None

    @property
    def key(self) -> Key:
        """The parameter's name with slashes, since a link's name may hold dots."""
        return Key("sysctl", (self.name,))

    def describe(self) -> str:
        """Return the assignment as in sysctl.conf(5), and what it was before where that is known."""
        return f"sysctl {self.name} = {self.value}" + ("" if self.before is None else f" (before: {self.before})")

    def requires(self) -> tuple[Key, ...]:
        """Return the parameters to set first, and the link that a per-link parameter belongs to."""
        link = self.part_of()
        return (*(Key("sysctl", (name,)) for name in self.after), *(() if link is None else (link,)))

    def part_of(self) -> Key | None:
        """Return the link that a per-link parameter belongs to, with which it comes and goes."""
        parts = self.name.split("/")
        per_link = parts[0] == "net" and parts[2:3] == ["conf"] and parts[3] not in ("all", "default")
        return link_key(parts[3]) if per_link else None

    def automatic(self) -> bool:
        """Return true: the kernel has every parameter by itself."""
        return True

    def partition(self) -> Hashable:
        """Return the name: only named parameters are read."""
        return self.name

    def recall(self, remembered: Mapping[str, Any]) -> Self:
        """Return the parameter with the value it had before our first change."""
        return replace(self, before=remembered.get("before"))

    def remember(self, observed: Self | None) -> dict[str, Any] | None:
        """Return the value to put back when the parameter is no longer ours."""
        if observed is None:
            return {}
        return {"before": observed.before if observed.before is not None else observed.value}

    def create(self) -> tuple[Request, ...]:
        """Return the request that sets the parameter."""
        return (WriteSysctl(self.name, self.value),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that sets the parameter."""
        return (WriteSysctl(self.name, self.value),)

    def delete(self) -> tuple[Request, ...]:
        """Return the request that puts the earlier value back, nothing where it is not known."""
        return () if self.before is None else (WriteSysctl(self.name, self.before),)

    @classmethod
    def decode(cls, row: tuple[str, str], context: Any) -> Self | None:
        """Return the parameter of a row of name and text."""
        return cls(name=row[0], value=row[1])
