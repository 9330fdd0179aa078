"""The types of the fields of `stats`: listening addresses, what a node says of itself, places on earth."""

from __future__ import annotations

import math
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Annotated, NoReturn

from intent.display import quoted
from intent.field_types import Choice, Decimal, Text, wrong
from intent.statistics import Following, Listen
from intent.yaml_spelling import as_yaml

LONGEST_WORDS = 200
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([^:\[\]]+)")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NO_MACHINES = (IPv4Network("0.0.0.0/8"), IPv4Network("240.0.0.0/4"))
"""No machine has an address in these (RFC 1122, section 3.2.1.3; RFC 1112, section 4)."""
_EXAMPLE_PORT = 9742
_NODE_ID = re.compile(r"[0-9a-f]{12}")
_CODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_RIGHT = "must be `[IPv6 address]:port` or `IPv4 address:port`"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def parse_listen(text: str) -> Listen:
    """Return where a server listens: one address of this node, loopback too, and a TCP port."""
    match = _LISTEN.fullmatch(text)
    address = None if match is None else _address(match[1] or match[2])
    if match is None or address is None or (match[1] is None) is not (address.version == 4):
        _refuse_listen(text)
    port = _port(match[3])
    if port is None:
        wrong(f"must have a port from 1 to 65535, not {quoted(match[3])}")
    _refuse_address(address, text, port)
    return Listen(address=str(address), port=port)


def _port(text: str) -> int | None:
    return int(text) if _PORT.fullmatch(text) and int(text) <= 65535 else None


def spelled(listen: Listen) -> str:
    """Return a listening address as the node file has it."""
    return f"[{listen.address}]:{listen.port}" if ":" in listen.address else f"{listen.address}:{listen.port}"


def _write(address: object, port: int | None) -> str:
    """Return an address and a port as YAML has them, in backticks."""
    return f"`{as_yaml(spelled(Listen(address=str(address), port=port or _EXAMPLE_PORT)))}`"


def _instead(port: int | None) -> str:
    return f"such as {_write('::1', port)} for this node alone, or the node's address in the mesh"


def _refuse_address(address: IPv4Address | IPv6Address, text: str, port: int) -> None:
    """Refuse an address that no server of this node could be reached at, or all of them."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    plain = address if mapped is None else mapped
    if plain.is_unspecified:
        message = f"must be one address of this node, but {quoted(text)} is all of them, those on the Internet too"
        wrong(message, _instead(port))
    if plain.is_multicast:
        wrong(f"must be one address of this node, not the multicast address {quoted(text)}", _instead(port))
    if any(plain in block for block in _NO_MACHINES):
        wrong(f"must be one address of this node, and no machine has that of {quoted(text)}", _instead(port))
    if plain.version == 6 and plain.is_link_local:
        _refuse_link_local(text, port)
    if mapped is not None:
        wrong(f"must not be an IPv4 address written as an IPv6 one: {quoted(text)}", f"write {_write(mapped, port)}")


def _refuse_link_local(text: str, port: int | None) -> NoReturn:
    wrong(
        f"must not be {quoted(text)}: link-local addresses cannot be used here, with or without their link",
        _instead(port),
    )


def _refuse_listen(text: str) -> NoReturn:
    host, _, end = text.rpartition(":")
    port, bare = _port(end), _address(host.removeprefix("[").removesuffix("]"))
    # Where there is a port, its colon may as well be one of the address.
    whole = _address(text.strip("[]"))
    found = bare if port is not None and bare is not None else whole or bare
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        if found.is_link_local:
            _refuse_link_local(text, port)
        wrong(
            f"must be without `%` and a link, not {quoted(text)}", f"write {_write(str(found).partition('%')[0], port)}"
        )
    if port is not None and bare is not None:
        advice = "write" if bare.version == 4 else "put the address in brackets:"
        wrong(f"{_RIGHT}, not {quoted(text)}", f"{advice} {_write(bare, port)}")
    if whole is not None or (bare is not None and not end):
        wrong(f"{_RIGHT}; {quoted(text)} has no port", f"such as {_write(whole or bare, None)}")
    if bare is not None:
        wrong(f"must have a port from 1 to 65535, not {quoted(end)}")
    if host in ("*", ""):
        wrong(f"{_RIGHT}, one of this node's: {quoted(text)} names none", f"such as {_write('::1', port)}")
    wrong(f"{_RIGHT}, not {quoted(text)}")


def parse_node_id(text: str) -> str:
    """Return the number that maps know a node by: the 12 hexadecimal digits of a MAC address."""
    if _NODE_ID.fullmatch(text):
        return text
    plain = text.lower().replace(":", "").replace("-", "")
    advice = f"write `{plain}`" if _NODE_ID.fullmatch(plain) else "such as `0a1b2c3d4e5f`"
    wrong(f"must be 12 hexadecimal digits in lower case, without colons, not {quoted(text)}", advice)


def parse_words(text: str) -> str:
    """Return a line of words for people."""
    right = f"must be text of 1 to {LONGEST_WORDS} characters"
    if not text.strip():
        wrong(f"{right}; this has {'only spaces' if text else 'none'}")
    if len(text) > LONGEST_WORDS:
        wrong(f"{right}; this has {len(text)}")
    if not text.isprintable():
        wrong(f"must be one line without control characters, not {quoted(text)}")
    return text.strip()


def parse_code(text: str) -> str:
    """Return the short name that maps have for a community, or a part of one."""
    if not _CODE.fullmatch(text):
        wrong(f"must be 1 to 63 letters, digits, `.`, `-` and `_`, not {quoted(text)}", "such as `ffxx`")
    return text


class Nearest(Decimal):
    """A number that is taken to the nearest step: people copy more digits than mean something."""

    def check(self, value: object) -> object:
        """Return the number."""
        if isinstance(value, float) and math.isfinite(value):
            value = round(value / self.step) * self.step
        return super().check(value)


class Follow(Choice):
    """How babeld is followed."""

    def check(self, value: object) -> object:
        """Return the way."""
        return Following(str(super().check(value)))


_LISTEN_WORDS = {"pattern": r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[1-9][0-9]{0,4}$"}

ListenText = Annotated[Listen, Text(parse_listen, _LISTEN_WORDS)]
NodeId = Annotated[str, Text(parse_node_id, {"pattern": "^[0-9a-f]{12}$"})]
Words = Annotated[str, Text(parse_words, {"minLength": 1, "maxLength": LONGEST_WORDS})]
Code = Annotated[str, Text(parse_code, {"pattern": r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "maxLength": 63})]
Latitude = Annotated[float, Nearest(-90, 90, 0.000001, "degrees")]
Longitude = Annotated[float, Nearest(-180, 180, 0.000001, "degrees")]
Altitude = Annotated[float, Nearest(-1000, 10000, 0.1, "metres")]
FollowText = Annotated[Following, Follow(tuple(str(one) for one in Following))]
