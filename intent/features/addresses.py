"""``addresses``: addresses on interfaces that are made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field, RootModel

from intent.feature import Feature, Holding
from intent.fields import InterfaceAddress, InterfaceName
from intent.references import References
from intent.resources.address import Address
from intent.resources.resource import Resource
from intent.shares import Share, address_shares
from intent.tree import Path
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node


class AddressedInterface(Model):
    """An interface and its addresses."""

    words = "an entry of `addresses`"
    merge_key = "interface"

    interface: InterfaceName = Field(description="The interface's name.", examples=["mesh0"])
    addresses: tuple[InterfaceAddress, ...] = Field(
        description="IPv6 and IPv4 addresses with the length of their prefix. Addresses that are there already for "
        "another reason stay.",
        examples=[["fd00:6d65:7368::7/64"]],
    )


class Addresses(RootModel[tuple[AddressedInterface, ...]]):
    """Addresses by interface."""

    model_config = ConfigDict(strict=True, frozen=True)


def address_holdings(path: Path, link: str, addresses: Sequence[IPv4Interface | IPv6Interface]) -> Iterator[Holding]:
    """Yield the addresses of a link, which it has once each; ``path`` leads to their list."""
    for number, address in enumerate(addresses):
        yield Holding((*path, number), "address", f"{address.ip} on {link}")


def address_resources(link: str, addresses: Sequence[IPv4Interface | IPv6Interface]) -> Iterator[Resource]:
    """Yield the addresses of a link."""
    for address in addresses:
        yield Address(link=link, address=str(address))


def holds(addresses: Addresses, node: Node) -> Iterator[Holding]:
    """Yield each address on its interface."""
    for number, entry in enumerate(addresses.root):
        yield from address_holdings((number, "addresses"), entry.interface, entry.addresses)


def shares(addresses: Addresses, node: Node) -> Iterator[Share]:
    """Yield the addresses: two nodes have none in common."""
    for number, entry in enumerate(addresses.root):
        yield from address_shares((number, "addresses"), entry.addresses)


def expand(addresses: Addresses, node: Node, references: References) -> Iterator[Resource]:
    """Yield the addresses."""
    for entry in addresses.root:
        yield from address_resources(entry.interface, entry.addresses)


FEATURE = Feature(
    name="addresses",
    model=Addresses,
    description="Addresses on any interface of the node. Interfaces that this file makes can also have theirs where "
    "they are made.",
    holds=holds,
    expand=expand,
    shares=shares,
)
