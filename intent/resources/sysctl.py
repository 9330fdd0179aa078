"""Kernel parameters of the network namespace (sysctl(8), Documentation/networking/ip-sysctl.rst)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from intent.resources.link import key as link_key
from intent.resources.resource import Change, Key, Request, Resource


def key(name: str) -> Key:
    """Return the key of the parameter of that name."""
    return Key("sysctl", (name,))


@dataclass(frozen=True, slots=True)
class WriteSysctl(Request):
    """Write a value below /proc/sys; ``name`` has slashes, such as ``net/ipv6/conf/all/forwarding``."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl(Resource):
    """A kernel parameter. It always exists: the value before the first change is remembered and put back at the end.

    ``after`` are the keys of what must be there before this one is set, and is put back after it.
    """

    table: ClassVar[str] = "sysctl"
    compared: ClassVar[tuple[str, ...]] = ("value",)
    adopts: ClassVar[bool] = True
    inventoried: ClassVar[bool] = True
    partitioned: ClassVar[bool] = True

    name: str
    value: str
    after: tuple[Key, ...] = ()
    before: str | None = None

    @property
    def key(self) -> Key:
        """The parameter's name with slashes, since a link's name may hold dots."""
        return key(self.name)

    def describe(self) -> str:
        """Return the assignment as in sysctl.conf(5), and what it was before where that is known."""
        return f"sysctl {self.name} = {self.value}" + ("" if self.before is None else f" (before: {self.before})")

    def requires(self) -> tuple[Key, ...]:
        """Return what comes first, and the link that a per-link parameter belongs to."""
        link = self.part_of()
        return (*self.after, *(() if link is None else (link,)))

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
        """Return the parameter with the value it had before our first change, and with what it came after."""
        after = tuple(Key(space, tuple(name)) for space, *name in remembered.get("after", ()))
        return replace(self, before=remembered.get("before"), after=after)

    def remember(self, observed: Self | None) -> dict[str, Any] | None:
        """Return the value to put back when the parameter is no longer ours."""
        after = {"after": [[key.space, *key.name] for key in self.after]}
        if observed is None:
            return after
        return after | {"before": observed.before if observed.before is not None else observed.value}

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
