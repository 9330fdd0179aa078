"""What a table of nftables is made of, and the statements of our rules (nft(8), libnftables-json(5))."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any, Literal, NamedTuple, Self

from intent.resources.nftables_lines import compact, elements, line

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NftRule:
    """A rule: ``line`` is what it is compared by, ``statements`` the JSON that nft takes for it."""

    line: str
    statements: str = field(compare=False)

    @classmethod
    def of(cls, statements: Iterable[Any]) -> Self:
        """Return the rule of these statements."""
        listed = list(statements)
        return cls(line(listed), compact(listed))


class Hook(NamedTuple):
    """Where packets enter a base chain. A lower priority is earlier."""

    type: str
    hook: str
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class NftChain:
    """A chain; without a hook it is only jumped to."""

    name: str
    hook: Hook | None
    rules: tuple[NftRule, ...] = ()

    def words(self) -> str:
        """Return the chain on one line."""
        head = "" if self.hook is None else "type {} hook {} priority {}; policy {}".format(*self.hook)
        return "; ".join(part for part in (head, *(rule.line for rule in self.rules)) if part) or "empty"


@dataclass(frozen=True, slots=True)
class NftSet:
    """A named set of interface names (``ifname``) or of IPv6 prefixes (``ipv6_addr``)."""

    name: str
    type: str
    elements: tuple[str, ...]
    interval: bool = False

    @classmethod
    def of_names(cls, name: str, names: Iterable[str]) -> Self:
        """Return a set of interface names."""
        return cls(name, "ifname", tuple(sorted(set(names))))

    @classmethod
    def of_prefixes(cls, name: str, prefixes: Iterable[IPv6Network]) -> Self:
        """Return a set of IPv6 prefixes."""
        return cls(name, "ipv6_addr", elements("ipv6_addr", [prefix_json(one) for one in prefixes]), interval=True)

    def words(self) -> str:
        """Return the set on one line."""
        return f"type {self.type}{' interval' if self.interval else ''} {{{', '.join(self.elements)}}}"

    def listed(self) -> list[Any]:
        """Return the elements as nft takes them."""
        if self.type == "ipv6_addr":
            return [prefix_json(IPv6Network(one)) for one in self.elements]
        return [json.loads(one) if one.startswith("{") else one for one in self.elements]


def prefix_json(prefix: IPv6Network) -> dict[str, Any]:
    """Return a prefix as nft takes it."""
    return {"prefix": {"addr": str(prefix.network_address), "len": prefix.prefixlen}}


def interface(direction: Literal["iifname", "oifname"], name: str) -> Statement:
    """Match the interface that a packet enters or leaves by; ``@NAME`` is a set of them."""
    return {"match": {"op": "==", "left": {"meta": {"key": direction}}, "right": name}}


def address(part: Literal["saddr", "daddr"], right: IPv6Network | str, *, other: bool = False) -> Statement:
    """Match packets whose IPv6 source or destination is in a prefix or a set (``@NAME``), or is not."""
    value = right if isinstance(right, str) else prefix_json(right)
    left = {"payload": {"protocol": "ip6", "field": part}}
    return {"match": {"op": "!=" if other else "==", "left": left, "right": value}}


def count(name: str) -> Statement:
    """Count the packet by a named counter."""
    return {"counter": name}


IS_IPV4: Statement = {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}}
IS_SYN: Statement = {
    # The mask keeps one spelling in all versions; `tcp flags syn` does not.
    "match": {
        "op": "==",
        "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn", "rst"]]},
        "right": "syn",
    }
}
CLAMP_MSS: Statement = {
    "mangle": {
        "key": {"tcp option": {"name": "maxseg", "field": "size"}},
        "value": {"rt": {"key": "mtu"}},
    }
}
DROP: Statement = {"drop": None}
MASQUERADE: Statement = {"masquerade": None}
REJECT_SOURCE: Statement = {"reject": {"type": "icmpv6", "expr": "policy-fail"}}
"""Code 5, "source address failed ingress/egress policy": of the two codes the more telling (RFC 4443, section 3.1)."""
REJECT_PROHIBITED: Statement = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}


def translate(kind: Literal["snat", "dnat"], to: IPv6Network) -> Statement:
    """Put another prefix in place of that of the source or destination; what is behind it stays."""
    return {kind: {"family": "ip6", "addr": prefix_json(to), "flags": "netmap", "type_flags": "prefix"}}
