"""Netlink messages as data: the attribute encoding of linux/netlink.h, without a socket.

A message body may hold the index of a link that does not exist yet. `IndexOf` stands for it until the message is
sent.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from intent.resources.resource import Request, Resource

# linux/netlink.h
NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class IndexOf:
    """Four bytes of a message: the index of the named link, filled in by the backend when it sends."""

    link: str


Part = bytes | IndexOf
Body = tuple[Part, ...]


class About(NamedTuple):
    """What is done to which object: words that are made only where somebody reads them."""

    verb: str
    resource: Resource

    def __str__(self) -> str:
        """Return the words."""
        return f"{self.verb} {self.resource.describe()}"


@dataclass(frozen=True, slots=True)
class NetlinkRequest(Request):
    """One rtnetlink message without its header's length, sequence number and port (rtnetlink(7)).

    ``type`` is an RTM_ number, ``flags`` the NLM_F_ flags beside REQUEST and ACK, ``body`` all that follows
    ``struct nlmsghdr``. ``about`` names the object in error messages. ``gone_is_done`` says that an object which is
    not there any more is what was asked for. ``link_kind`` is the kind that the kernel must know to make the link.
    """

    type: int
    flags: int
    body: Body = field(repr=False)
    about: str | About
    gone_is_done: bool = False
    link_kind: str = ""


def length(parts: Body) -> int:
    """Return the number of bytes that the parts take on the wire."""
    return sum(len(part) if isinstance(part, bytes) else 4 for part in parts)


def attribute(kind: int, *payload: Part) -> Body:
    """Return a ``struct nlattr`` with its payload, padded to four bytes."""
    size = 4 + length(payload)
    return (_HEADER.pack(size, kind), *payload, bytes(-size % 4))


def nested(kind: int, *payload: Part) -> Body:
    """Return an attribute that holds attributes, marked NLA_F_NESTED."""
    return attribute(kind | NLA_F_NESTED, *payload)


def string(kind: int, text: str) -> Body:
    """Return an attribute that holds a NUL-terminated string."""
    return attribute(kind, text.encode() + b"\0")


def u8(kind: int, value: int) -> Body:
    """Return an attribute that holds an unsigned 8-bit number."""
    return attribute(kind, struct.pack("=B", value))


def u16(kind: int, value: int) -> Body:
    """Return an attribute that holds an unsigned 16-bit number in host byte order."""
    return attribute(kind, struct.pack("=H", value))


def u32(kind: int, value: int) -> Body:
    """Return an attribute that holds an unsigned 32-bit number in host byte order."""
    return attribute(kind, struct.pack("=I", value))


def be16(kind: int, value: int) -> Body:
    """Return an attribute that holds an unsigned 16-bit number in network byte order."""
    return attribute(kind, struct.pack("!H", value))


def be32(kind: int, value: int) -> Body:
    """Return an attribute that holds an unsigned 32-bit number in network byte order."""
    return attribute(kind, struct.pack("!I", value))


def join(parts: Body) -> Body:
    """Return the parts with neighbouring bytes joined; a body without an `IndexOf` becomes one part."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def attributes(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the type, without its flags, and the payload of each attribute from ``offset`` on.

    Raises ValueError when a length leads out of ``data``.
    """
    end = len(data)
    while offset + 4 <= end:
        size, kind = _HEADER.unpack_from(data, offset)
        if size < 4 or offset + size > end:
            raise ValueError(f"attribute {kind & NLA_TYPE_MASK} at byte {offset} has length {size} of {end}")
        yield kind & NLA_TYPE_MASK, data[offset + 4 : offset + size]
        offset += size + (-size % 4)


def number(payload: bytes) -> int:
    """Return the unsigned number in host byte order of a payload of 1, 2, 4 or 8 bytes."""
    return int.from_bytes(payload, sys.byteorder)


def big_endian(payload: bytes) -> int:
    """Return the unsigned number in network byte order of a payload."""
    return int.from_bytes(payload, "big")


def text(payload: bytes) -> str:
    """Return the string in a payload that ends at its first NUL."""
    return payload.split(b"\0", 1)[0].decode(errors="replace")
