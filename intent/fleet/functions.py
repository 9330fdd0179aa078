"""The functions of ``${…}``: pure, of a few arguments, the same for the same arguments for ever."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from pydantic_core import PydanticCustomError

from intent.display import quoted
from intent.features.links import link_name
from intent.fields import parse_prefix, parse_public_key
from intent.resources.wireguard_names import key_bytes

Value = str | int | bool
_HOST_DOMAIN = b"stellwerk host part v1\0"


class Refused(Exception):
    """An argument that cannot be used: the message, and which argument, counted from 0."""

    def __init__(self, message: str, argument: int) -> None:
        super().__init__(message)
        self.message = message
        self.argument = argument


class Function(NamedTuple):
    """A function: the types of its arguments in words, how it is written, and what it does."""

    arguments: tuple[str, ...]
    example: str
    call: Callable[..., Value]


def _network(prefix: str, argument: int) -> IPv4Network | IPv6Network:
    try:
        return parse_prefix(prefix)
    except PydanticCustomError as exc:
        raise Refused((exc.context or {})["message"], argument) from None


def address(prefix: str, number: int) -> str:
    """Return address number N of a prefix, counted from 0. Raises Refused where the prefix has not so many."""
    network = _network(prefix, 0)
    if not 0 <= number < network.num_addresses:
        raise Refused(f"must be from 0 to {network.num_addresses - 1}: `{network}` has no address number {number}", 1)
    return str(network[number])


def subnet(prefix: str, length: int, number: int) -> str:
    """Return subnet number N of that length, counted from 0. Raises Refused where the prefix has not so many."""
    network = _network(prefix, 0)
    if not network.prefixlen <= length <= network.max_prefixlen:
        right = f"from {network.prefixlen} to {network.max_prefixlen}"
        raise Refused(f"must be a length {right}: `{network}` has no subnets of length {length}", 1)
    several = 1 << (length - network.prefixlen)
    if not 0 <= number < several:
        raise Refused(f"must be from 0 to {several - 1}: `{network}` has no subnet number {number} of that length", 2)
    first = int(network.network_address) + (number << (network.max_prefixlen - length))
    return str(type(network)((first, length)))


def host(name: str) -> int:
    """Return a number from 1 to 2^64 - 2 that is always the same for a name: the last half of an IPv6 address.

    It is the first 8 bytes of ``SHA-256("stellwerk host part v1" || 0x00 || name)``, but for all zeros and all ones.
    """
    number = int.from_bytes(sha256(_HOST_DOMAIN + name.encode()).digest()[:8], "big")
    return min(max(number, 1), 2**64 - 2)


def name(one: str, other: str | None = None) -> str:
    """Return a name of an interface, ``sw-`` and twelve characters, that is always the same for a public key.

    Of two keys it is the name of the interface that ``links`` makes between their holders.
    """
    keys = []
    for number, key in enumerate((one, one if other is None else other)):
        try:
            keys.append(key_bytes(parse_public_key(key)))
        except PydanticCustomError as exc:
            raise Refused((exc.context or {})["message"], number) from None
    return link_name(*keys)


FUNCTIONS = {
    "address": Function(("a prefix", "a number"), "address(mesh_prefix, 7)", address),
    "subnet": Function(("a prefix", "a number", "a number"), "subnet(mesh_prefix, 64, 7)", subnet),
    "host": Function(("text",), "host(node)", host),
    "name": Function(("a public key",), "name(gateway_key)", name),
}


def call(function: str, arguments: tuple[Value, ...]) -> Value:
    """Return what a function gives. Raises Refused for arguments of a wrong type or value."""
    for number, (kind, argument) in enumerate(zip(FUNCTIONS[function].arguments, arguments, strict=True)):
        whole = isinstance(argument, int) and not isinstance(argument, bool)
        if kind == "a number" and not whole:
            raise Refused(f"must be a number, not {quoted(str(argument))}", number)
        if kind != "a number" and not isinstance(argument, str):
            raise Refused(f"must be {kind}, not {quoted(str(argument).lower())}", number)
    return FUNCTIONS[function].call(*arguments)
