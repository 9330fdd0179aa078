"""Prefixes that the provider delegates: they stand for an IPv6 prefix in a node file, and follow what there is.

A field that takes a prefix or a delegated one is a `PrefixSource`; `looked_up` lists what has to be known of it, and
`prefix_of` says which prefix it is now.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from intent.feature import Finding
from intent.field_types import Between, described, wrong
from intent.fields import PREFIX6_WORDS, InterfaceName, IPv6Prefix, parse_ipv6_prefix
from intent.references import DelegatedPrefix, References
from intent.tree import Path
from intent.validation import Model

Length = Annotated[int, Between(16, 64)]
SHORTEST_DELEGATION = 32
"""What a provider gets from its registry to begin with; no customer gets more of it than that."""
Subnet = Annotated[int, Between(-(2**31), 2**31 - 1)]


class Delegated(Model):
    """A part of the prefix that the provider delegates to this node."""

    words = "a delegated prefix"

    delegated: InterfaceName = Field(
        description="The uplink on which a DHCPv6 client (odhcp6c, dhcpcd, systemd-networkd) gets a prefix delegated. "
        "It is found by the unreachable route for all of it that such a client leaves in the main table, or by an "
        "address on that interface with a prefix shorter than 64.",
        examples=["wan"],
    )
    length: Length = Field(
        description="The length of the part that is used here, 16–64; not shorter than what is delegated.",
        examples=[60],
    )
    subnet: Subnet = Field(
        default=-1,
        description="Which of the parts of that length: 0 is the first, -1 the last, since LANs are taken from the "
        "start.",
        examples=[-1],
    )
    within: IPv6Prefix | None = Field(
        default=None,
        description="A block of the provider's: where several prefixes are delegated, the one inside it is meant.",
        examples=["2001:db8::/32"],
    )

    def reference(self, special_purpose: bool, routing_table: int | None = None) -> DelegatedPrefix:
        """Return what has to be known; where ``special_purpose``, prefixes that the Internet does not route count.

        In ``routing_table`` are the routes that this node has because of it.
        """
        return DelegatedPrefix(self.delegated, self.length, self.subnet, self.within, special_purpose, routing_table)

    def overlaps(self, other: Delegated) -> bool:
        """Return whether both have addresses in common, whatever is delegated; unknown for parts from either end."""
        if (self.delegated, self.within) != (other.delegated, other.within):
            return False
        (one_start, one_end), (other_start, other_end) = self._range(), other._range()
        return one_start < other_end and other_start < one_end

    def covers(self, other: Delegated) -> bool:
        """Return whether all addresses of another one are inside, whatever is delegated; unknown as in `overlaps`."""
        return self.overlaps(other) and self.length <= other.length

    def _range(self) -> tuple[int, int]:
        """Return the addresses from the start of what is delegated, or, below 0, from its end."""
        size = 1 << (128 - self.length)
        return self.subnet * size, (self.subnet + 1) * size

    def waiting(self) -> str:
        """Return in words what is waited for while there is none."""
        block = "" if self.within is None else f" inside {self.within}"
        return f"waits for the provider to delegate a prefix{block} on {self.delegated}"

    def __str__(self) -> str:
        """Return a name for it, such as ``delegated:wan/60``, whatever the prefix is now."""
        number = "" if self.subnet == -1 else f"#{self.subnet}"
        block = "" if self.within is None else f"@{self.within}"
        return f"delegated:{self.delegated}/{self.length}{number}{block}"


@dataclass(frozen=True, eq=False)
class _PrefixOrDelegated:
    """An IPv6 prefix as text, or a mapping for a delegated one."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: object, delegated: core_schema.ValidatorFunctionWrapHandler) -> Any:
            if isinstance(value, dict | Delegated):
                return delegated(value)
            if isinstance(value, str):
                return parse_ipv6_prefix(value)
            wrong(
                f"must be an IPv6 prefix or a delegated one, not {described(value)}",
                'such as `"2001:db8:42::/56"` or `{delegated: wan, length: 60}`',
            )

        return core_schema.no_info_wrap_validator_function(check, handler.generate_schema(Delegated))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", **PREFIX6_WORDS}, handler(schema)]}


PrefixSource = Annotated[Delegated | IPv6Network, _PrefixOrDelegated()]
"""An IPv6 prefix, or a part of one that the provider delegates."""


def findings(path: Path, source: Delegated, in_mesh: bool, uplinks: Sequence[str]) -> Iterator[Finding]:
    """Yield what does not go together in a delegated prefix at a path.

    ``in_mesh`` says that its interface is one of the mesh, and ``uplinks`` are those of the node, none where the file
    does not say.
    """
    name, block = source.delegated, source.within
    if in_mesh:
        message = f"`{name}` is a mesh interface: no provider delegates a prefix there"
        yield Finding((*path, "delegated"), message, "name the uplink, outside of the mesh")
    elif uplinks and name not in uplinks:
        near = difflib.get_close_matches(name, uplinks, 1)
        listed = ", ".join(f"`{one}`" for one in dict.fromkeys(uplinks))
        suggestion = f"did you mean `{near[0]}`?" if near else f"there is {listed}"
        yield Finding((*path, "delegated"), f"`{name}` is no uplink of this file", suggestion)
    if block is not None and block.prefixlen > source.length:
        yield Finding(
            (*path, "within"),
            f"`{block}` is smaller than a prefix of length {source.length}, so that none can be inside it",
            "name the block that the provider delegates from",
        )
        return
    whole = min(source.length, max(SHORTEST_DELEGATION, 0 if block is None else block.prefixlen))
    parts = 1 << (source.length - whole)
    if not -parts <= source.subnet < parts:
        yield Finding(
            (*path, "subnet"),
            f"`{source.subnet}` is not there: a prefix of length {whole} has {parts} part{'s' if parts > 1 else ''} of "
            f"length {source.length}, and none that is shorter is delegated",
            "0 is the first part, -1 the last",
        )


def looked_up(
    source: Delegated | IPv6Network, special_purpose: bool, routing_table: int | None
) -> Iterator[DelegatedPrefix]:
    """Yield what has to be known of it; the table is where this node has routes because of it."""
    if isinstance(source, Delegated):
        yield source.reference(special_purpose, routing_table)


def prefix_of(source: Delegated | IPv6Network, references: References, special_purpose: bool) -> IPv6Network | None:
    """Return which prefix it is now, ``None`` while none is delegated, or it is not clear which."""
    return references[source.reference(special_purpose)] if isinstance(source, Delegated) else source


def cut(whole: IPv6Network, length: int, subnet: int) -> IPv6Network | None:
    """Return the part of that length and number, ``None`` where there are not so many. The last one is -1."""
    count = 1 << (length - whole.prefixlen)
    if not -count <= subnet < count:
        return None
    address = int(whole.network_address) + ((subnet % count) << (128 - length))
    return IPv6Network((address, length))
