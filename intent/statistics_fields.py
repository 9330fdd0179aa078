"""The types of the fields of `stats`: listening addresses, what a node says of itself, places on earth."""

from __future__ import annotations

import math
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, NoReturn

from intent.display import quoted
from intent.field_types import Choice, Decimal, Text, wrong
from intent.statistics import Following, Listen

LONGEST_WORDS = 200
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([1-9][0-9]{0,4})")
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
    port = int(match[3])
    if port > 65535:
        wrong(f"must have a port from 1 to 65535, not {quoted(match[3])}")
    if address.is_unspecified:
        wrong(
            f"must be one address of this node, but {quoted(text)} is all of them, those on the Internet too",
            f"such as `[::1]:{port}` for this node alone, or the node's address in the mesh",
        )
    if address.is_multicast:
        wrong(f"must be one address of this node, not the multicast address {quoted(text)}")
    if address.version == 6 and address.is_link_local:
        wrong(f"must not be a link-local address, which says nothing without its link: {quoted(text)}")
    return Listen(address=str(address), port=port)


def _refuse_listen(text: str) -> NoReturn:
    host, _, port = text.rpartition(":")
    if port.isascii() and port.isdigit() and isinstance(_address(host), IPv6Address):
        wrong(f"{_RIGHT}, not {quoted(text)}", f"put the address in brackets: `[{host}]:{port}`")
    if _address(text.strip("[]")) is not None:
        shown = text if "." in text and ":" not in text else f"[{text.strip('[]')}]"
        wrong(f"{_RIGHT}; {quoted(text)} has no port", f"such as `{shown}:9742`")
    if host in ("*", ""):
        wrong(f"{_RIGHT}, one of this node's: {quoted(text)} names none", f"such as `[::1]:{port or 9742}`")
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
    if not text.strip() or len(text) > LONGEST_WORDS:
        wrong(f"must be text of 1 to {LONGEST_WORDS} characters")
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
