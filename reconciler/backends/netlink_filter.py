"""A filter on a netlink socket that drops, in the kernel, news of routes that nobody asked about (socket(7)).

What is dropped here takes no room in the socket's buffer and wakes nobody: a router whose other daemons change
routes by the thousand, in tables that are not ours, costs us nothing.
"""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Collection
from typing import Final

from intent.resources.route import RTA_TABLE, RTM_DELROUTE, RTM_NEWROUTE
from reconciler.core.backend import Partitions

# asm-generic/socket.h
SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
RTM_F_CLONED: Final = 0x200
"""The flag of a route that the kernel only made to remember a lookup (linux/rtnetlink.h)."""
FILTERED_TABLES = 500
"""Above this number of routing tables none is held back, so that a filter stays below 10 kB (16 bytes a table)."""

# linux/bpf_common.h
_LOAD_WORD, _LOAD_HALF, _LOAD_WORD_AT_X = 0x20, 0x28, 0x40
_SET, _SET_X, _COPY_TO_X = 0x00, 0x01, 0x07
_IF_EQUAL, _IF_BITS, _RETURN = 0x15, 0x45, 0x06
_FIND_ATTRIBUTE = 0xFFFFF000 + 12
"""SKF_AD_NLATTR: the offset of the attribute whose type is in X, searched from the offset in A; 0 if there is none."""

Instruction = tuple[int, int, int, int]
"""Code, instructions to skip if true, if false, and a number (struct sock_filter)."""
_DROP: Instruction = (_RETURN, 0, 0, 0)
_PASS: Instruction = (_RETURN, 0, 0, 0xFFFFFFFF)

# Offsets in a message: struct nlmsghdr, then struct rtmsg, then attributes.
_TYPE, _PORT, _ROUTE_FLAGS, _ROUTE_ATTRIBUTES = 4, 12, 16 + 8, 16 + 12


def attach(opened: socket.socket, routing_tables: Partitions, ports: Collection[int]) -> bool:
    """Hold back what these ports asked for, and routes outside of these tables; replaces the filter before in one step.

    Returns False when the kernel refuses, and then nothing is held back.
    """
    code = array.array("B", b"".join(struct.pack("=HBBI", *one) for one in program(routing_tables, ports)))
    address, length = code.buffer_info()
    try:
        # struct sock_fprog
        opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", length // 8, address))
    except OSError:
        # A filter only saves work, but the one before may hold back what is wanted now.
        _detach(opened)
        return False
    return True


def _detach(opened: socket.socket) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    except OSError:
        # There was none.
        return


def program(routing_tables: Partitions, ports: Collection[int]) -> list[Instruction]:
    """Return the filter in classic BPF. What it does not recognise it lets through."""
    code: list[Instruction] = [(_LOAD_WORD, 0, 0, _PORT)]
    for port in sorted(ports):
        code += [(_IF_EQUAL, 0, 1, _loaded("=I", port)), _DROP]
    code += [
        (_LOAD_HALF, 0, 0, _TYPE),
        (_IF_EQUAL, 2, 0, _loaded("=H", RTM_NEWROUTE)),
        (_IF_EQUAL, 1, 0, _loaded("=H", RTM_DELROUTE)),
        _PASS,
        (_LOAD_WORD, 0, 0, _ROUTE_FLAGS),
        (_IF_BITS, 0, 1, _loaded("=I", RTM_F_CLONED)),
        _DROP,
    ]
    if routing_tables is None or len(routing_tables) > FILTERED_TABLES:
        return [*code, _PASS]
    # Not the byte in the header: it has no room for the numbers from 256 on.
    code += [
        (_SET, 0, 0, _ROUTE_ATTRIBUTES),
        (_SET_X, 0, 0, RTA_TABLE),
        (_LOAD_WORD, 0, 0, _FIND_ATTRIBUTE),
        (_IF_EQUAL, 0, 1, 0),
        _PASS,
        (_COPY_TO_X, 0, 0, 0),
        (_LOAD_WORD_AT_X, 0, 0, 4),
    ]
    for table in sorted(table for table in routing_tables if isinstance(table, int)):
        code += [(_IF_EQUAL, 0, 1, _loaded("=I", table)), _PASS]
    return [*code, _DROP]


def _loaded(layout: str, number: int) -> int:
    """Return a number in host byte order as BPF loads it, which takes all to be in network byte order."""
    return int.from_bytes(struct.pack(layout, number), "big")
