"""WireGuard interfaces: the kernel's own, and those of wireguard-go (ip-link(8), wireguard-go(8))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from intent.resources import netlink
from intent.resources.link import Link, Names, read
from intent.resources.netlink import NetlinkRequest
from intent.resources.processes import AwaitEnd, StartProcess
from intent.resources.resource import Change, Request
from intent.resources.wireguard_uapi import GET, socket_path

PROGRAM = "wireguard-go"
AF_INET6 = 10
IFLA_AF_SPEC = 26
IFLA_INET6_ADDR_GEN_MODE = 8
IN6_ADDR_GEN_MODE_NONE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuardLink(Link):
    """A WireGuard interface of the kernel."""

    table: ClassVar[str] = "link"

    def kind(self) -> str:
        """Return the kind as ip-link(8) spells it."""
        return "wireguard"

    def describe(self) -> str:
        """Return the link as ``ip link add`` words."""
        return f"link {self.name} type wireguard" + ("" if self.mtu is None else f" mtu {self.mtu}")

    @classmethod
    def decode(cls, row: bytes, context: Names) -> Self | None:
        """Return the link in an RTM_NEWLINK payload of kind wireguard."""
        link = read(row, context)
        if link.kind != "wireguard":
            return None
        return cls(name=link.name, mtu=link.mtu, up=link.up, ours=link.ours, master=link.master)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserspaceWireGuardLink(Link):
    """A WireGuard interface of wireguard-go: a tun link that lives as long as the program does.

    The program makes the link without our mark, which is set right after. The inventory, written before, says whose
    it is when we are stopped in between; the lacking mark is then a difference like any other.
    """

    table: ClassVar[str] = "link"
    compared: ClassVar[tuple[str, ...]] = ("ours", "mtu", "up")
    incidental: ClassVar[frozenset[str]] = frozenset({"ours"})
    inventoried: ClassVar[bool] = True

    def kind(self) -> str:
        """Return the name of the program: the kernel's kind is tun."""
        return PROGRAM

    def describe(self) -> str:
        """Return the link as ``ip link`` words."""
        kind = PROGRAM if self.ours else "tun"
        return f"link {self.name} type {kind}" + ("" if self.mtu is None else f" mtu {self.mtu}")

    def show(self, field: str) -> str:
        """Return a field for people."""
        if field == "ours":
            return "marked" if self.ours else "unmarked"
        return super(UserspaceWireGuardLink, self).show(field)

    def create(self) -> tuple[Request, ...]:
        """Return the requests that start the program, which makes the link, and that mark it and set it up."""
        return (StartProcess((PROGRAM, self.name), socket_path(self.name), GET), *self.settle())

    def settle(self) -> tuple[NetlinkRequest, ...]:
        """Return the requests that follow the link's creation; the first keeps the kernel from adding an address.

        A WireGuard interface of the kernel has no link-local address but the one it is given; a tun link gets one,
        and babel would speak from either.
        """
        no_address = netlink.nested(AF_INET6, *netlink.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE))
        return (
            self._set(netlink.nested(IFLA_AF_SPEC, *no_address)),
            *super(UserspaceWireGuardLink, self).settle(),
        )

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the requests that change the link in place, all that follow its creation where the mark lacks."""
        if "ours" in changes:
            return self.settle()
        return super(UserspaceWireGuardLink, self).update(observed, changes)

    def delete(self) -> tuple[Request, ...]:
        """Return the requests that delete the link and wait for the program to end, which so lets go of its port."""
        return (*super(UserspaceWireGuardLink, self).delete(), AwaitEnd(PROGRAM, socket_path(self.name)))

    @classmethod
    def decode(cls, row: bytes, context: Names) -> Self | None:
        """Return the link in an RTM_NEWLINK payload of kind tun; a foreign one cannot be told from a fresh one."""
        link = read(row, context)
        if link.kind != "tun":
            return None
        return cls(name=link.name, mtu=link.mtu, up=link.up, ours=link.ours, master=link.master)
