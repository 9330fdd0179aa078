"""Which kinds of links the running kernel can make, found out without loading a module or making a link."""

from __future__ import annotations

import errno
import platform
import socket
from pathlib import Path
from typing import Any, ClassVar

from intent.references import KernelLinkKind, Reference
from intent.resources import netlink
from intent.resources.link import IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, RTM_NEWLINK
from reconciler.backends.netlink_socket import Message, NetlinkSocket
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.errors import BackendError, UnsupportedError

IFLA_NUM_TX_QUEUES = 31
MODULES = {
    **{"wireguard": "wireguard", "gre": "ip_gre", "gretap": "ip_gre"},
    **{"ip6gre": "ip6_gre", "ip6gretap": "ip6_gre"},
}

OPENWRT_PACKAGES = {"wireguard": "kmod-wireguard", "ip_gre": "kmod-gre", "ip6_gre": "kmod-gre6"}


def module(kind: str) -> str:
    """Return the name of the kernel module that makes links of this kind."""
    return MODULES.get(kind, kind)


def lacking(kind: str) -> UnsupportedError:
    """Return the error that says what to load for links of this kind."""
    name = module(kind)
    other = "; or use `implementation: userspace`, with wireguard-go" if kind == "wireguard" else ""
    return UnsupportedError(
        f"this kernel ({platform.release()}) cannot make links of type {kind}: it has no module {name}. "
        f"Load it with `modprobe {name}`, or install it (on OpenWrt: {OPENWRT_PACKAGES.get(name, name)}){other}"
    )


def known(kind: str) -> bool:
    """Return whether the kernel has the kind built in or loaded, or finds its module; True when that cannot be seen."""
    name = module(kind)
    if (Path("/sys/module") / name).exists():
        return True
    folder = Path("/lib/modules") / platform.release()
    if (folder / f"{name}.ko").exists():
        return True
    for index in ("modules.builtin", "modules.dep"):
        try:
            if f"/{name}.ko" in (folder / index).read_text():
                return True
        except OSError:
            continue
    return _probe(kind)


class LinkKinds(Resolver[KernelLinkKind]):
    """Resolves whether the kernel can make a kind of link; looked at each time, since a module may be loaded later."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (KernelLinkKind,)

    def resolve(self, reference: KernelLinkKind) -> Resolution:
        """Return what `known` says of the kind."""
        return Resolution(known(reference.kind))


RESOLVER = LinkKinds


def _probe(kind: str) -> bool:
    """Ask for a link with no transmit queue: a kernel that knows the kind refuses the queue, others the kind."""
    parts = (
        bytes(16),
        *netlink.string(IFLA_IFNAME, "stellwerk-probe"),
        *netlink.u32(IFLA_NUM_TX_QUEUES, 0),
        *netlink.nested(IFLA_LINKINFO, *netlink.string(IFLA_INFO_KIND, kind)),
    )
    payload = b"".join(part for part in parts if isinstance(part, bytes))
    connection = NetlinkSocket(socket.NETLINK_ROUTE)
    try:
        (refusal,) = connection.send([Message(RTM_NEWLINK, netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, payload)])
    except BackendError:
        return True
    finally:
        connection.close()
    return refusal is None or refusal.errno != errno.EOPNOTSUPP
