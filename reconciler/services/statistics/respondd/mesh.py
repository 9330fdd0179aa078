"""The interfaces of the mesh, as the sections tell them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from reconciler.services.statistics.figures import Figures

_TUNNELS = frozenset(
    {"wireguard", "gre", "gretap", "ip6gre", "ip6gretap", "ip6tnl", "ipip", "sit", "tun", "vti", "vti6", "vxlan"}
)
"""Kinds of links (ip-link(8)) that go over another network."""
_WIRELESS = ("wl", "phy")
"""How names of wireless interfaces begin: the kernel's, systemd's and OpenWrt's."""


class MeshLink(NamedTuple):
    """An interface of the mesh: its link-local addresses, and its sort as respondd knows them."""

    name: str
    sort: str
    addresses: tuple[str, ...]


def mesh_links(figures: Figures) -> tuple[MeshLink, ...]:
    """Return those that the settings name and those that babeld has, by name."""
    babel = figures.babel()
    told = {one.name: one.ipv6 for one in babel.known.interfaces} if babel and babel.known else {}
    sorts = {one.name: one.sort for one in figures.settings.mesh_interfaces}
    addresses = figures.addresses()
    links = []
    for name in sorted({*told, *sorts}):
        own = [one for one in addresses.get(name, ()) if is_link_local(one)]
        if (heard := told.get(name)) is not None:
            own.append(heard)
        links.append(MeshLink(name, sorts.get(name) or _sort(figures, name), tuple(dict.fromkeys(own))))
    return tuple(links)


def is_link_local(address: str) -> bool:
    """Return whether it is an IPv6 address of a link, fe80::/10."""
    return address[:3].lower() in ("fe8", "fe9", "fea", "feb") and address[4:5] == ":"


def own_address(links: Sequence[MeshLink]) -> str | None:
    """Return the address that maps know this node by: the first link-local one."""
    return next((address for link in links for address in link.addresses), None)


def router_address(router_id: str) -> str:
    """Return the link-local address that a router id of 8 bytes stands for.

    babeld takes its router id from the hardware address of an interface, as the kernel does with the interface's
    link-local address (RFC 4291, appendix A), unless it is told another. Raises ValueError for what is no router id.
    """
    parts = router_id.split(":")
    if len(parts) != 8:
        raise ValueError(f"{router_id!r} is no router id: it has 8 bytes")
    groups = (int(high + low, 16) for high, low in zip(parts[::2], parts[1::2], strict=True))
    return str(ipaddress.IPv6Address("fe80::" + ":".join(f"{group:x}" for group in groups)))


def _sort(figures: Figures, name: str) -> str:
    link = figures.links().get(name)
    if link is not None and link.kind in _TUNNELS:
        return "tunnel"
    return "wireless" if name.startswith(_WIRELESS) else "other"
