"""IP addresses and prefixes as text in its one spelling, without an object for each: a node may have 100,000.

The spelling is that of `ipaddress`: RFC 5952, and no bits behind the length. Every function says ``None`` where
`ipaddress` has to be asked, which also refuses what is wrong.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Sequence

EVERYTHING6 = "::/0"

# A group that is not zero, or a zero alone between such.
_GROUP = "(?:[1-9a-f][0-9a-f]{0,3}:|0:(?![:0]))"
_LENGTHS = {
    3: r"4[89]|[5-9]\d|1[01]\d|12[0-8]",
    4: r"6[4-9]|[7-9]\d|1[01]\d|12[0-8]",
    2: r"3[2-9]|[4-9]\d|1[01]\d|12[0-8]",
    1: r"1[6-9]|[2-9]\d|1[01]\d|12[0-8]",
    5: r"[89]\d|1[01]\d|12[0-8]",
    6: r"9[6-9]|1[01]\d|12[0-8]",
}
COMMON_PREFIX6 = "|".join(f"(?:{_GROUP}){{{groups}}}:/(?:{lengths})" for groups, lengths in _LENGTHS.items())
"""A pattern of the prefixes that most are: groups with nothing to shorten, and then a length behind them all."""
_COMMON_PREFIX6 = re.compile(COMMON_PREFIX6, re.ASCII)
_PREFIX6 = re.compile(r"([0-9A-Fa-f:]{2,39})/(0|[1-9][0-9]{0,2})")

_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_PREFIX4 = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}/(3[0-2]|[12]?\d)", re.ASCII)

# A group that is not zero.
_WORD = "[1-9a-f][0-9a-f]{0,3}"
# Addresses with nothing to shorten. Of those with a gap some would have too many groups, which are counted.
_COMMON_ADDRESS6 = f"{_WORD}(?::{_WORD})*::(?:{_WORD}(?::{_WORD})*)?|{_WORD}(?::{_WORD}){{7}}"
_FULL_COLONS = 7
_COMMON_HOST_PREFIX6 = re.compile(rf"({_COMMON_ADDRESS6})/128")
# Neither multicast (RFC 4291, section 2.7) nor link-local (section 2.5.6).
_HOST6 = f"(?!ff[0-9a-f]{{2}}:|fe[89ab][0-9a-f]:)(?:{_COMMON_ADDRESS6})"
_ADDRESS6 = re.compile(_COMMON_ADDRESS6)
# Neither in 0.0.0.0/8 nor multicast, nor what is behind that (RFC 5735).
_HOST4 = rf"(?:22[0-3]|2[01]\d|1\d\d|[1-9]\d?)(?:\.{_OCTET.replace('(', '(?:')}){{3}}"
_HOST_AND_PORT = re.compile(rf"(?:\[({_HOST6})\]|({_HOST4})):([1-9]\d{{0,4}})", re.ASCII)
_ADDRESS4 = re.compile(_HOST4, re.ASCII)
_LARGEST_PORT = 65535

_EIGHT = struct.Struct("!8H")
_TEXT = ":" + "{:x}:" * 8
_ZEROS = tuple(":" + "0:" * groups for groups in range(8, 1, -1))
_MAPPED = [0, 0, 0, 0, 0, 0xFFFF]


def prefix6(text: str) -> str | None:
    """Return an IPv6 prefix with its length in its one spelling, the very same text where it has that."""
    if _COMMON_PREFIX6.fullmatch(text) or text == EVERYTHING6:
        return text
    match = _COMMON_HOST_PREFIX6.fullmatch(text)
    if match is not None and not _too_many(match[1]):
        return text
    match = _PREFIX6.fullmatch(text)
    if match is None:
        return None
    groups, length = groups_of(match[1]), int(match[2])
    if groups is None or length > 128:
        return None
    whole, bits = divmod(length, 16)
    if any(groups[whole + 1 :]) or (whole < 8 and groups[whole] & (0xFFFF >> bits)):
        return None
    address = spelt(groups)
    return None if address is None else f"{address}/{length}"


def prefix4(text: str) -> str | None:
    """Return an IPv4 prefix with its length in its one spelling."""
    match = _PREFIX4.fullmatch(text)
    if match is None:
        return None
    first, second, third, fourth, length = map(int, match.groups())
    behind = (first << 24 | second << 16 | third << 8 | fourth) & (0xFFFFFFFF >> length)
    return None if behind else text


def is_common_address(text: str) -> bool:
    """Return whether it is an address, in its one spelling, such as those of machines are; false says nothing."""
    if ":" in text:
        return _ADDRESS6.fullmatch(text) is not None and not _too_many(text)
    return _ADDRESS4.fullmatch(text) is not None


def host_and_port(text: str) -> tuple[str, int] | None:
    """Return the address of a machine, in its one spelling, and the port in ``[IPv6]:port`` or ``IPv4:port``."""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        return None
    address, port = match[1] or match[2], int(match[3])
    return None if port > _LARGEST_PORT or _too_many(address) else (address, port)


def _too_many(address: str) -> bool:
    """Return whether so many groups are around a gap that it might stand for one zero alone, or for nothing."""
    return address.count(":") >= _FULL_COLONS and "::" in address


def groups_of(address: str) -> list[int] | None:
    """Return the eight groups of an address in hexadecimal digits and colons, ``None`` where it is none."""
    head, gap, tail = address.partition("::")
    before = head.split(":") if head else []
    after = tail.split(":") if tail else []
    missing = 8 - len(before) - len(after)
    if missing < 1 if gap else missing:
        return None
    words = (*before, *("0",) * missing, *after)
    if not all(1 <= len(word) <= 4 for word in words):
        return None
    return [int(word, 16) for word in words]


def spelt(groups: Sequence[int]) -> str | None:
    """Return the groups with the first of the longest runs of two or more zeros left out (RFC 5952, section 4.2)."""
    if groups[5] == _MAPPED[5] and list(groups[:6]) == _MAPPED:
        # Newer versions of Python write addresses of IPv4 inside IPv6 with dots.
        return None
    text = _TEXT.format(*groups)
    for zeros in _ZEROS:
        if zeros in text:
            text = text.replace(zeros, "::", 1)
            break
    start = 0 if text.startswith("::") else 1
    return text[start:] if text.endswith("::") else text[start:-1]


def unpacked(data: bytes) -> str:
    """Return an address of 4 or 16 bytes in its one spelling. Raises ValueError for any other number of bytes."""
    if len(data) == 4:
        return ".".join(map(str, data))
    text = spelt(_EIGHT.unpack(data)) if len(data) == 16 else None
    return str(ipaddress.ip_address(data)) if text is None else text


def packed(address: str) -> bytes:
    """Return the 4 or 16 bytes of an address that is one, without a scope."""
    if ":" not in address:
        return bytes(map(int, address.split(".")))
    if "." in address:
        return ipaddress.IPv6Address(address).packed
    head, _, tail = address.partition("::")
    before = [int(group, 16) for group in head.split(":")] if head else []
    after = [int(group, 16) for group in tail.split(":")] if tail else []
    return _EIGHT.pack(*before, *(0,) * (8 - len(before) - len(after)), *after)
