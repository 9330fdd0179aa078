"""The kernel's WireGuard over its generic netlink family (linux/wireguard.h, linux/genetlink.h)."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from hashlib import blake2b
from itertools import zip_longest

from intent.resources import link as links
from intent.resources import netlink
from intent.resources import wireguard_netlink as wire
from intent.resources.netlink import Body, IndexOf
from intent.resources.resource import Request
from intent.resources.wireguard_layout import DIGEST_BYTES, Layout
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import NetlinkDeviceRow, NetlinkPeerRow, PortRow
from reconciler.backends.netlink_socket import Message, NetlinkSocket, Refusal
from reconciler.backends.wireguard_errors import Results, about, not_there, of_each, port_taken
from reconciler.core.errors import BackendError, OccupiedError, RejectedError, StaleError, UnsupportedError

NETLINK_GENERIC = 16
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2
RTM_GETLINK = 18
IFLA_EXT_MASK = 29
RTEXT_FILTER_SKIP_STATS = 1 << 3

_GENL_HEADER = struct.Struct("=BBH")

# The same for every peer of the link: rights, a link or a kernel that lacks something, or has no room just now.
_NO_PEERS_FAULT = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENODEV, errno.ENOENT, errno.EOPNOTSUPP}
    | {errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN, errno.EBUSY, errno.EINTR}
)

Row = NetlinkDeviceRow | PortRow | NetlinkPeerRow


class KernelRows:
    """An interface of the kernel and its peers, in the messages of a dump, split when they are asked for.

    Equal digests are the same in all that counts. Handshakes before ``stale_before`` (seconds since 1970) are stale.
    """

    def __init__(self, link: str, messages: Sequence[bytes], layouts: Sequence[Layout], stale_before: float) -> None:
        self._link = link
        self._messages = messages
        self._layouts = layouts
        self._stale = [layout.stale(message, stale_before) for message, layout in zip(messages, layouts, strict=True)]
        counting = b"".join((*(layout.digest for layout in layouts), *self._stale))
        self.digest = blake2b(counting, digest_size=DIGEST_BYTES).digest()

    def __iter__(self) -> Iterator[Row]:
        """Yield the interface, its port and its peers."""
        device = NetlinkDeviceRow(self._link, wire.without_peers(self._messages[0]) if self._messages else b"")
        yield device
        yield PortRow(device)
        yield from self._peers().values()

    def _peers(self) -> Mapping[bytes, NetlinkPeerRow]:
        """Return the peers by public key: the kernel may have split one over messages."""
        peers: dict[bytes, NetlinkPeerRow] = {}
        for message, layout, stale in zip(self._messages, self._layouts, self._stale, strict=True):
            ages = iter(stale)
            for start, end, public_key, digest, timed in layout.parts:
                part = message[start:end]
                mark = (next(ages), digest) if timed else (digest,)
                if (begun := peers.get(public_key)) is None:
                    peers[public_key] = NetlinkPeerRow(self._link, (part,), (self._link, *mark))
                else:
                    joined = (*begun.parts, part)
                    peers[public_key] = NetlinkPeerRow(self._link, joined, (*(begun.mark or ()), *mark))
        return peers


class KernelWireGuard:
    """A connection to the WireGuard family of the network namespace that it is first used in."""

    def __init__(self) -> None:
        self._generic = NetlinkSocket(NETLINK_GENERIC)
        self._route = NetlinkSocket(socket.NETLINK_ROUTE)
        self._family: int | None = None
        self._layouts: dict[str, Sequence[Layout]] = {}

    def open(self) -> None:
        """Open it now, in this thread's network namespace. Raises BackendError."""
        self._family_id()

    def close(self) -> None:
        """Close the sockets, and forget what was learned."""
        self._generic.close()
        self._route.close()
        self._family = None
        self._layouts = {}

    def links(self) -> list[str]:
        """Return the names of the WireGuard interfaces. Raises BackendError when the kernel cannot be asked."""
        if self._family_id() is None:
            return []
        question = (
            *netlink.nested(links.IFLA_LINKINFO, *netlink.string(links.IFLA_INFO_KIND, wire.FAMILY)),
            *netlink.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS),
        )
        rows = self._route.dump(RTM_GETLINK, bytes(16) + _resolve(question))
        # The filter on the kind is a wish: an older kernel returns all links.
        read = [links.read(row, {}) for kind, row in rows if kind == links.RTM_NEWLINK]
        return [link.name for link in read if link.kind == wire.FAMILY]

    def holds(self, link: str) -> bool:
        """Return whether the link is a WireGuard interface of the kernel."""
        family = self._family_id()
        if family is None:
            return False
        nothing_to_set = _message(family, wire.CMD_SET_DEVICE, wire.get_body(link))
        (refusal,) = self._generic.send([nothing_to_set])
        return refusal is None or refusal.errno not in (errno.EOPNOTSUPP, errno.ENODEV)

    def rows(self, link: str, stale_before: float) -> KernelRows | None:
        """Return the interface and its peers, ``None`` where the link is gone or no WireGuard of the kernel.

        Handshakes before that time (seconds since 1970) are stale. A dump that a change interrupted is repeated a
        bounded number of times. Raises BackendError, and ValueError where an answer is malformed.
        """
        known = self._layouts.pop(link, ())
        messages = self.messages(link)
        if messages is None:
            return None
        layouts = [
            layout if layout is not None and layout.fits(message) else Layout.of(message)
            for message, layout in zip_longest(messages, known[: len(messages)])
        ]
        self._layouts[link] = layouts
        return KernelRows(link, messages, layouts, stale_before)

    def messages(self, link: str) -> list[bytes] | None:
        """Return the attributes of an interface and its peers, message by message; they hold its keys.

        ``None`` where the link is gone or no WireGuard of the kernel. Raises BackendError.
        """
        family = self._family_id()
        if family is None:
            return None
        question = _GENL_HEADER.pack(wire.CMD_GET_DEVICE, wire.VERSION, 0) + wire.get_body(link)
        try:
            answers = self._generic.look(family, question)
        except (StaleError, UnsupportedError):
            self._family = None
            return None
        except BackendError as error:
            raise type(error)(f"wireguard {link}: {error}") from error
        return [payload[_GENL_HEADER.size :] for kind, payload in answers if kind == family]

    def forget_all_but(self, links: Set[str]) -> None:
        """Forget what was learned about other interfaces."""
        self._layouts = {link: layouts for link, layouts in self._layouts.items() if link in links}

    def set_device(self, request: SetDevice) -> BackendError | None:
        """Configure an interface."""
        (result,), _ = self._carry_out([request], lambda: [wire.device_message(request)])
        return port_taken(request) if isinstance(result, OccupiedError) else result

    def set_peers(self, link: str, requests: Sequence[SetPeer]) -> Results:
        """Change peers, each public key at most once, in few messages; where one may be at fault, find it."""
        results, suspects = self._set_peers(link, requests)
        if len(requests) == 1:
            return results
        # The kernel stops inside a message at its first fault, and does not say at which peer.
        while suspects:
            position = suspects.pop(0)
            (result,), at_fault = self._set_peers(link, [requests[position]])
            results[position] = result
            if result is not None and not at_fault:
                for left in suspects:
                    results[left] = type(result)(f"{about(requests[left])}: not tried alone, since {result}")
                break
        return results

    def _set_peers(self, link: str, requests: Sequence[SetPeer]) -> tuple[Results, list[int]]:
        return self._carry_out(requests, lambda: wire.peer_messages(link, requests))

    def _carry_out(
        self, requests: Sequence[Request], spell: Callable[[], list[wire.SetMessage]]
    ) -> tuple[Results, list[int]]:
        """Return what became of the requests, and the positions of those among which one may be at fault."""
        everyone = list(range(len(requests)))
        try:
            if (family := self._family_id()) is None:
                return [not_there(request) for request in requests], []
        except BackendError as error:
            return of_each(requests, error), []
        try:
            parts = spell()
            messages = [_message(family, wire.CMD_SET_DEVICE, _resolve(part.body)) for part in parts]
        except StaleError as error:
            return of_each(requests, error), everyone
        except (ValueError, struct.error) as error:
            return of_each(requests, RejectedError(f"a value is out of its range: {error}")), everyone
        try:
            refusals = self._generic.send(messages)
        except BackendError as error:
            return of_each(requests, error), []
        results: Results = [None] * len(requests)
        suspects: dict[int, None] = {}
        for part, refusal in zip(parts, refusals, strict=True):
            if refusal is not None:
                self._forget_family_after(refusal)
                for position in part.carries:
                    results[position] = refusal.error(about(requests[position]))
                if refusal.errno not in _NO_PEERS_FAULT:
                    suspects |= dict.fromkeys(part.carries)
        return results, list(suspects)

    def _forget_family_after(self, refusal: Refusal) -> None:
        # The number of a family is a new one when its module is loaded again.
        if refusal.errno == errno.ENOENT:
            self._family = None

    def _family_id(self) -> int | None:
        """Return the number of the family, ``None`` while the kernel has none; asked again until it has one."""
        if self._family is None:
            question = _GENL_HEADER.pack(CTRL_CMD_GETFAMILY, 1, 0)
            for _, payload in self._generic.dump(GENL_ID_CTRL, question):
                found = dict(netlink.attributes(payload, _GENL_HEADER.size))
                if netlink.text(found.get(CTRL_ATTR_FAMILY_NAME, b"")) == wire.FAMILY:
                    self._family = netlink.number(found[CTRL_ATTR_FAMILY_ID])
        return self._family


def _message(family: int, command: int, body: bytes) -> Message:
    return Message(family, 0, _GENL_HEADER.pack(command, wire.VERSION, 0) + body)


def _resolve(body: Body) -> bytes:
    """Return the bytes with the indices of the links they name. Raises StaleError for a missing link."""
    data = bytearray()
    for part in body:
        if isinstance(part, IndexOf):
            try:
                data += struct.pack("=I", socket.if_nametoindex(part.link))
            except OSError as exc:
                raise StaleError(f"there is no link {part.link} for an endpoint with %{part.link}") from exc
        else:
            data += part
    return bytes(data)
