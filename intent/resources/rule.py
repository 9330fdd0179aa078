"""Policy routing rules (ip-rule(8), linux/fib_rules.h)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

from intent.resources import netlink
from intent.resources.link import Names
from intent.resources.netlink import NetlinkRequest
from intent.resources.resource import Change, Key, Request, Resource

RTM_NEWRULE = 32
RTM_DELRULE = 33
FRA_DST = 1
FRA_SRC = 2
FRA_IIFNAME = 3
FRA_PRIORITY = 6
FRA_SUPPRESS_PREFIXLEN = 14
FRA_TABLE = 15
FRA_PROTOCOL = 21
ACTIONS: Final = {1: "lookup", 2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
ACTION_NUMBERS: Final = {name: number for number, name in ACTIONS.items()}
FAMILIES: Final = {"ipv4": 2, "ipv6": 10}
PROTOCOL: Final = 242
RTPROT_KERNEL: Final = 2
FIB_RULE_INVERT = 0x2
TABLE_MAIN: Final = 254
TABLE_NAMES: Final = {TABLE_MAIN: "main"}
NO_SUPPRESSION = b"\xff\xff\xff\xff"

_RULE_HEADER = struct.Struct("=BBBBBBBBI")
_IGNORED = {
    *(FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY),
    *(FRA_TABLE, FRA_PROTOCOL, FRA_SUPPRESS_PREFIXLEN),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Resource):
    """A rule of the routing policy database: packets that match all selectors are looked up or refused.

    A lookup with ``suppress_prefixlength`` counts only where it finds a route longer than that. The rule is its own
    identity: nothing of it changes in place. ``other`` holds, as hexadecimal text, selectors that foreign rules have
    and ours never do.
    """

    table: ClassVar[str] = "rule"
    refers_to: ClassVar[frozenset[str] | None] = frozenset()

    family: Literal["ipv4", "ipv6"]
    priority: int
    action: Literal["lookup", "unreachable"] | str = "lookup"
    routing_table: int | None = None
    source: str | None = None
    destination: str | None = None
    iif: str | None = None
    suppress_prefixlength: int | None = None
    other: str = ""
    protocol: int = PROTOCOL

    @property
    def key(self) -> Key:
        """All that the rule says."""
        selectors = (self.source, self.destination, self.iif)
        said = (*selectors, self.action, self.routing_table, self.suppress_prefixlength, self.other)
        return Key("rule", (self.family, self.priority, *("-" if part is None else part for part in said)))

    def describe(self) -> str:
        """Return the rule as ``ip rule`` words."""
        words = f"rule {self.priority}: from {self.source or 'all'}"
        words += "" if self.destination is None else f" to {self.destination}"
        words += "" if self.iif is None else f" iif {self.iif}"
        words += f" {self.action}"
        words += "" if self.routing_table is None else f" {TABLE_NAMES.get(self.routing_table, self.routing_table)}"
        words += "" if self.suppress_prefixlength is None else f" suppress_prefixlength {self.suppress_prefixlength}"
        return words + (" (IPv4)" if self.family == "ipv4" else "")

    def owned(self) -> bool:
        """Return whether it carries our protocol number."""
        return self.protocol == PROTOCOL

    def automatic(self) -> bool:
        """Return whether the kernel made it when the network namespace began."""
        return self.protocol == RTPROT_KERNEL

    def create(self) -> tuple[Request, ...]:
        """Return the request that adds the rule."""
        flags = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
        return (self._request(RTM_NEWRULE, flags, f"add {self.describe()}"),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return nothing: no field of a rule is compared."""
        return ()

    def delete(self) -> tuple[Request, ...]:
        """Return the request that deletes the rule."""
        return (self._request(RTM_DELRULE, 0, f"delete {self.describe()}"),)

    def _request(self, kind: int, flags: int, about: str) -> NetlinkRequest:
        selectors: netlink.Body = ()
        lengths = []
        for attribute, prefix in ((FRA_DST, self.destination), (FRA_SRC, self.source)):
            if prefix is None:
                lengths.append(0)
                continue
            network = ipaddress.ip_network(prefix)
            lengths.append(network.prefixlen)
            selectors += netlink.attribute(attribute, network.network_address.packed)
        if self.iif is not None:
            selectors += netlink.string(FRA_IIFNAME, self.iif)
        if self.routing_table is not None:
            selectors += netlink.u32(FRA_TABLE, self.routing_table)
        if self.suppress_prefixlength is not None:
            selectors += netlink.u32(FRA_SUPPRESS_PREFIXLEN, self.suppress_prefixlength)
        body = (
            _RULE_HEADER.pack(FAMILIES[self.family], *lengths, 0, 0, 0, 0, ACTION_NUMBERS[self.action], 0),
            *netlink.u32(FRA_PRIORITY, self.priority),
            *netlink.u8(FRA_PROTOCOL, self.protocol),
            *selectors,
        )
        return NetlinkRequest(kind, flags, netlink.join(body), about, gone_is_done=kind == RTM_DELRULE)

    @classmethod
    def decode(cls, row: bytes, context: Names) -> Self | None:
        """Return the rule in an RTM_NEWRULE payload of either family."""
        family, to_length, from_length, tos, table, _, _, action, flags = _RULE_HEADER.unpack_from(row)
        found = dict(netlink.attributes(row, _RULE_HEADER.size))
        other = {kind: value for kind, value in found.items() if kind not in _IGNORED}
        suppressed = found.get(FRA_SUPPRESS_PREFIXLEN, NO_SUPPRESSION)
        words = (f"tos{tos}" if tos else "") + ("not" if flags & FIB_RULE_INVERT else "")
        number = netlink.number(found[FRA_TABLE]) if FRA_TABLE in found else table
        return cls(
            family="ipv4" if family == FAMILIES["ipv4"] else "ipv6",
            priority=netlink.number(found.get(FRA_PRIORITY, b"\0")),
            action=ACTIONS.get(action, str(action)),
            routing_table=number or None,
            source=_prefix(found.get(FRA_SRC), from_length),
            destination=_prefix(found.get(FRA_DST), to_length),
            iif=netlink.text(found[FRA_IIFNAME]) if FRA_IIFNAME in found else None,
            suppress_prefixlength=None if suppressed == NO_SUPPRESSION else netlink.number(suppressed),
            other=words + "".join(f"{k}:{v.hex()}" for k, v in sorted(other.items())),
            protocol=netlink.number(found.get(FRA_PROTOCOL, b"\0")),
        )


def _prefix(packed: bytes | None, length: int) -> str | None:
    return None if packed is None else f"{ipaddress.ip_address(packed)}/{length}"
