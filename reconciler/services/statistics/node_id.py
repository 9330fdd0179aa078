"""The number that maps know a node by: 12 hexadecimal digits, the same as long as its hardware is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from intent.statistics import MeshInterface
from reconciler.backends.link_counters import LinkFigures

_NO_MAC = frozenset({None, "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})
_LOCAL = 0x02
_GROUP = 0x01


def node_id(node: str, mesh_interfaces: Iterable[MeshInterface], links: Mapping[str, LinkFigures]) -> str:
    """Return the number, made from the first interface of the mesh with an address of its hardware.

    Where none is named, that is any interface, by name. Without such a one, as on a node that has nothing but tunnels,
    it is made from the node's name.
    """
    named = [one.name for one in mesh_interfaces if one.sort != "tunnel"]
    candidates = named if any(True for _ in mesh_interfaces) else sorted(links)
    for name in candidates:
        if name in links and (mac := hardware_address(links[name])) is not None:
            return mac.replace(":", "")
    return from_name(node)


def hardware_address(link: LinkFigures) -> str | None:
    """Return the MAC address that a link has at each start of the machine, ``None`` where it may be another one.

    That is the one that the kernel calls permanent, or one that the link has from its maker (IEEE 802, section 8): the
    kernel itself makes up local ones.
    """
    if link.permanent_mac not in _NO_MAC:
        return link.permanent_mac
    if link.mac in _NO_MAC or link.mac is None or int(link.mac[:2], 16) & (_LOCAL | _GROUP):
        return None
    return link.mac


def from_name(node: str) -> str:
    """Return a number in the form of a local MAC address that a name always gives."""
    digest = bytearray(blake2b(node.encode(), digest_size=6, person=b"stellwerk node").digest())
    digest[0] = digest[0] & ~_GROUP | _LOCAL
    return digest.hex()
