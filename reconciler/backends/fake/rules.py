"""The policy rules of the fake (ip-rule(8), net/core/fib_rules.c)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from intent.resources import netlink
from intent.resources import rule as wire
from reconciler.backends.fake.addresses import AF_INET, AF_INET6
from reconciler.backends.fake.refused import Refused, encoded

RTPROT_KERNEL = 2
LOOKUP = wire.ACTION_NUMBERS["lookup"]
_HEADER = struct.Struct("=BBBBBBBBI")
_PLACED = frozenset({wire.FRA_TABLE, wire.FRA_PRIORITY, wire.FRA_PROTOCOL})


@dataclass(frozen=True, slots=True)
class FakeRule:
    """A rule as the kernel holds it; ``selectors`` are all its other attributes, by number."""

    family: int
    priority: int
    action: int
    table: int
    protocol: int
    lengths: tuple[int, int] = (0, 0)
    tos: int = 0
    flags: int = 0
    selectors: tuple[tuple[int, bytes], ...] = ()

    @property
    def identity(self) -> tuple[object, ...]:
        """What no two rules have in common when one was added with NLM_F_EXCL (seen with Linux 6.1 and 6.18)."""
        said = self.family, self.priority, self.action, self.table, self.protocol
        return *said, self.lengths, self.tos, self.flags, self.selectors

    def row(self) -> bytes:
        """Return the payload of its RTM_NEWRULE."""
        table = self.table if self.table < 256 else 252
        return encoded(
            (
                _HEADER.pack(self.family, *self.lengths, self.tos, table, 0, 0, self.action, self.flags),
                *netlink.u32(wire.FRA_TABLE, self.table),
                *netlink.attribute(wire.FRA_SUPPRESS_PREFIXLEN, wire.NO_SUPPRESSION),
                *netlink.u8(wire.FRA_PROTOCOL, self.protocol),
                *netlink.u32(wire.FRA_PRIORITY, self.priority),
                *(part for kind, value in self.selectors for part in netlink.attribute(kind, value)),
            )
        )

    def describe(self) -> str:
        """Return the rule in one line."""
        words = f"rule {self.priority}: family {self.family} action {wire.ACTIONS.get(self.action, self.action)}"
        words += "".join(f" {kind}:{value.hex()}" for kind, value in self.selectors)
        words += " not" if self.flags else ""
        words += f" lengths {self.lengths[0]},{self.lengths[1]}" if any(self.lengths) else ""
        return f"{words} table {self.table} proto {self.protocol}"


class FakeRules:
    """All rules of both families, those that the kernel begins with included."""

    def __init__(self) -> None:
        self._all = [
            FakeRule(family, priority, LOOKUP, table, RTPROT_KERNEL)
            for family, priority, table in (
                *((AF_INET, 0, 255), (AF_INET, 32766, 254), (AF_INET, 32767, 253)),
                *((AF_INET6, 0, 255), (AF_INET6, 32766, 254)),
            )
        ]

    def __iter__(self) -> Iterator[FakeRule]:
        """Return the rules by family and priority, those of one priority in the order they were added."""
        return iter(sorted(self._all, key=lambda rule: (rule.family, rule.priority)))

    def add(self, payload: bytes, flags: int) -> None:
        """Carry out RTM_NEWRULE. Raises Refused: EEXIST."""
        rule = _parse(payload)
        if flags & netlink.NLM_F_EXCL and any(there.identity == rule.identity for there in self._all):
            raise Refused(errno.EEXIST)
        self._all.append(rule)

    def delete(self, payload: bytes) -> None:
        """Carry out RTM_DELRULE: the first that matches all that is told (rule_find). Raises Refused: ENOENT."""
        told = _parse(payload)
        match = next((there for there in self if _matches(told, there)), None)
        if match is None:
            raise Refused(errno.ENOENT)
        self._all.remove(match)


def _matches(told: FakeRule, there: FakeRule) -> bool:
    """Return whether a rule is what was told; what was not told matches anything."""
    if told.family != there.family:
        return False
    pairs = ((getattr(told, name), getattr(there, name)) for name in ("priority", "action", "table", "protocol", "tos"))
    if any(said not in (0, has) for said, has in pairs):
        return False
    if any(said not in (0, has) for said, has in zip(told.lengths, there.lengths, strict=True)):
        return False
    has = dict(there.selectors)
    return all(has.get(kind) == value for kind, value in told.selectors)


def _parse(payload: bytes) -> FakeRule:
    family, to_length, from_length, tos, table, _, _, action, flags = _HEADER.unpack_from(payload)
    found: Mapping[int, bytes] = dict(netlink.attributes(payload, _HEADER.size))
    others = {kind: value for kind, value in found.items() if kind not in _PLACED}
    if others.get(wire.FRA_SUPPRESS_PREFIXLEN) == wire.NO_SUPPRESSION:
        del others[wire.FRA_SUPPRESS_PREFIXLEN]
    return FakeRule(
        family=family,
        priority=netlink.number(found.get(wire.FRA_PRIORITY, b"")),
        action=action,
        table=netlink.number(found[wire.FRA_TABLE]) if wire.FRA_TABLE in found else table,
        protocol=netlink.number(found.get(wire.FRA_PROTOCOL, b"")),
        lengths=(to_length, from_length),
        tos=tos,
        flags=flags & wire.FIB_RULE_INVERT,
        selectors=tuple(sorted(others.items())),
    )
