"""WireGuard's generic netlink family as bytes (linux/wireguard.h): reading its attributes and writing its messages."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from intent import ip_text
from intent.resources import netlink
from intent.resources.netlink import Body, IndexOf, Part
from intent.resources.wireguard_names import Endpoint, key_bytes, spelled
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import DeviceFacts, PeerFacts

FAMILY = "wireguard"
VERSION = 1
CMD_GET_DEVICE = 0
CMD_SET_DEVICE = 1
# enum wgdevice_attribute
DEVICE_IFNAME = 2
DEVICE_PRIVATE_KEY = 3
DEVICE_LISTEN_PORT = 6
DEVICE_FWMARK = 7
DEVICE_PEERS = 8
# enum wgpeer_attribute, enum wgpeer_flag
PEER_PUBLIC_KEY = 1
PEER_PRESHARED_KEY = 2
PEER_FLAGS = 3
PEER_ENDPOINT = 4
PEER_PERSISTENT_KEEPALIVE = 5
PEER_LAST_HANDSHAKE = 6
PEER_RX_BYTES = 7
PEER_TX_BYTES = 8
PEER_ALLOWED_IPS = 9
FLAG_REMOVE_ME = 1
FLAG_REPLACE_ALLOWED_IPS = 2
FLAG_UPDATE_ONLY = 4
# enum wgallowedip_attribute
ALLOWED_IP_FAMILY = 1
ALLOWED_IP_ADDRESS = 2
ALLOWED_IP_LENGTH = 3

AF_INET = 2
AF_INET6 = 10
MESSAGE_BYTES = 32_000
"""How long a message may become: a list of peers, or of allowed IPs, is an attribute, and those end at 65,535."""

_SOCKADDR_IN = struct.Struct("=H2s4s8x")
_SOCKADDR_IN6 = struct.Struct("=H2s4x16sI")
_ATTRIBUTE = struct.Struct("=HH")
# A peer's public key and flags, each with its header.
_PEER = struct.Struct("=HH32sHHI")
# An allowed IP: the header of the nest, and its family, address and length, each with a header of its own.
_ALLOWED_IP4 = struct.Struct("=HHHHHxxHH4sHHBxxx")
_ALLOWED_IP6 = struct.Struct("=HHHHHxxHH16sHHBxxx")
# The same as the kernel tells it (get_allowedips in drivers/net/wireguard/netlink.c): length, family and address.
_TOLD_IP4 = struct.Struct("=HHBxxxHHxxxxHH4s")
_TOLD_IP6 = struct.Struct("=HHBxxxHHxxxxHH16s")
_TOLD_IPS = {form.size: form for form in (_TOLD_IP4, _TOLD_IP6)}
_KEEPALIVE = struct.Struct("=HHHxx")
_ZERO_KEY = bytes(32)
_PEER_OVERHEAD_BYTES = 160


def read_device(data: bytes) -> DeviceFacts:
    """Return what the attributes of an interface say. Raises ValueError when they are malformed."""
    found = dict(netlink.attributes(data))
    private = found.get(DEVICE_PRIVATE_KEY, _ZERO_KEY)
    return DeviceFacts(
        private_key=None if private == _ZERO_KEY else private,
        listen_port=netlink.number(found.get(DEVICE_LISTEN_PORT, b"")),
        fwmark=netlink.number(found.get(DEVICE_FWMARK, b"")),
    )


def read_peer(parts: Sequence[bytes], link_names: Mapping[int, str]) -> PeerFacts:
    """Return what the attributes of a peer say; all parts but the first add allowed IPs only.

    Raises ValueError or KeyError when they are malformed.
    """
    found = dict(netlink.attributes(parts[0]))
    lists = [found.get(PEER_ALLOWED_IPS, b"")]
    lists += [dict(netlink.attributes(part)).get(PEER_ALLOWED_IPS, b"") for part in parts[1:]]
    sockaddr = found.get(PEER_ENDPOINT)
    return PeerFacts(
        public_key=found[PEER_PUBLIC_KEY],
        preshared_key=found.get(PEER_PRESHARED_KEY, _ZERO_KEY),
        endpoint=None if sockaddr is None else read_endpoint(sockaddr, link_names),
        allowed_ips=tuple(sorted({_read_prefix(item) for data in lists for _, item in netlink.attributes(data)})),
        persistent_keepalive=netlink.number(found.get(PEER_PERSISTENT_KEEPALIVE, b"")),
        last_handshake=netlink.number(found.get(PEER_LAST_HANDSHAKE, b"")[:8]),
    )


def read_endpoint(sockaddr: bytes, link_names: Mapping[int, str]) -> Endpoint | None:
    """Return the endpoint in a ``struct sockaddr_in`` or ``sockaddr_in6``, ``None`` when it is unset."""
    family = netlink.number(sockaddr[:2])
    port = int.from_bytes(sockaddr[2:4], "big")
    if family == AF_INET:
        return Endpoint(ip_text.unpacked(sockaddr[4:8]), port)
    if family != AF_INET6:
        return None
    _, _, address, scope = _SOCKADDR_IN6.unpack_from(sockaddr)
    text = ip_text.unpacked(address)
    if not scope and not text.startswith("::ffff:"):
        return Endpoint(text, port)
    return spelled(f"{text}%{link_names.get(scope, scope)}" if scope else text, port)


def _read_prefix(data: bytes) -> str:
    form = _TOLD_IPS.get(len(data))
    if form is not None:
        size, kind, length, *others, address = form.unpack(data)
        if [size, kind, *others] == [5, ALLOWED_IP_LENGTH, 6, ALLOWED_IP_FAMILY, 4 + len(address), ALLOWED_IP_ADDRESS]:
            return f"{ip_text.unpacked(address)}/{length}"
    found = dict(netlink.attributes(data))
    address = found[ALLOWED_IP_ADDRESS]
    # Bytes of four and of sixteen are IPv4 and IPv6: the family says nothing more.
    return f"{ip_text.unpacked(address)}/{found[ALLOWED_IP_LENGTH][0]}"


def without_peers(message: bytes) -> bytes:
    """Return the attributes of a message up to its peers."""
    offset = 0
    while offset + 4 <= len(message):
        size, kind = _ATTRIBUTE.unpack_from(message, offset)
        if kind & netlink.NLA_TYPE_MASK == DEVICE_PEERS or size < 4:
            break
        offset += size + (-size % 4)
    return message[:offset]


@dataclass(frozen=True, slots=True)
class SetMessage:
    """The attributes of one WG_CMD_SET_DEVICE, and which of the given requests it carries (their positions)."""

    body: Body
    carries: tuple[int, ...]

    def __repr__(self) -> str:
        """Return nothing of the body, which may hold keys."""
        return f"SetMessage(…, carries={self.carries})"


def get_body(link: str) -> bytes:
    """Return the attributes of a WG_CMD_GET_DEVICE for that link."""
    return b"".join(part for part in netlink.string(DEVICE_IFNAME, link) if isinstance(part, bytes))


def device_message(request: SetDevice) -> SetMessage:
    """Return the message that configures an interface."""
    body = netlink.string(DEVICE_IFNAME, request.link)
    if request.private_key is not None:
        body += netlink.attribute(DEVICE_PRIVATE_KEY, request.private_key.reveal())
    if request.listen_port is not None:
        body += netlink.u16(DEVICE_LISTEN_PORT, request.listen_port)
    if request.fwmark is not None:
        body += netlink.u32(DEVICE_FWMARK, request.fwmark)
    return SetMessage(netlink.join(body), (0,))


def peer_messages(link: str, requests: Sequence[SetPeer]) -> list[SetMessage]:
    """Return the messages that carry out the requests in their order, as few as `MESSAGE_BYTES` allows.

    A peer with more allowed IPs than fit is spread over several; it is done when all of them are.
    """
    head = netlink.string(DEVICE_IFNAME, link)
    messages: list[SetMessage] = []
    peers: list[Part] = []
    carries: list[int] = []

    def close() -> None:
        body = _joined((*head, *netlink.nested(DEVICE_PEERS, *_joined(peers))))
        messages.append(SetMessage(body, tuple(dict.fromkeys(carries))))
        peers.clear()
        carries.clear()

    used = 0
    for position, request in enumerate(requests):
        for fragment in _fragments(request):
            size = netlink.length(fragment)
            if peers and used + size > MESSAGE_BYTES - _PEER_OVERHEAD_BYTES:
                close()
                used = 0
            peers += fragment
            carries.append(position)
            used += size
    if peers:
        close()
    return messages


def _joined(parts: Iterable[Part]) -> Body:
    """Return the parts with neighbouring bytes joined; there may be hundreds, and each is copied once."""
    joined: list[Part] = []
    waiting: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            waiting.append(part)
        else:
            joined += (b"".join(waiting), part)
            waiting = []
    return (*joined, b"".join(waiting))


def _fragments(request: SetPeer) -> Iterator[Body]:
    """Yield the peer as one nested attribute, or as several with a share of its allowed IPs each."""
    room = MESSAGE_BYTES - 2 * _PEER_OVERHEAD_BYTES
    share: list[bytes] = []
    used = 0
    first = True
    for prefix in request.allowed_ips:
        item = _write_prefix(prefix)
        if share and used + len(item) > room:
            yield _write_peer(request, b"".join(share), first)
            share, used, first = [], 0, False
        share.append(item)
        used += len(item)
    if share or first:
        yield _write_peer(request, b"".join(share), first)


def _write_peer(request: SetPeer, allowed_ips: bytes, first: bool) -> Body:
    flags = FLAG_UPDATE_ONLY if request.update_only else 0
    if first:
        flags |= FLAG_REMOVE_ME if request.remove else 0
        flags |= FLAG_REPLACE_ALLOWED_IPS if request.replace_allowed_ips else 0
    before = _PEER.pack(36, PEER_PUBLIC_KEY, key_bytes(request.public_key), 8, PEER_FLAGS, flags)
    where: Body = ()
    after = b""
    if first and request.preshared_key is not None:
        before += _ATTRIBUTE.pack(36, PEER_PRESHARED_KEY) + request.preshared_key.reveal()
    if first and request.endpoint is not None:
        where = netlink.attribute(PEER_ENDPOINT, *write_endpoint(request.endpoint))
    if first and request.persistent_keepalive is not None:
        after += _KEEPALIVE.pack(6, PEER_PERSISTENT_KEEPALIVE, request.persistent_keepalive)
    if allowed_ips:
        after += _ATTRIBUTE.pack(4 + len(allowed_ips), PEER_ALLOWED_IPS | netlink.NLA_F_NESTED) + allowed_ips
    size = 4 + len(before) + netlink.length(where) + len(after)
    return _joined((_ATTRIBUTE.pack(size, netlink.NLA_F_NESTED), before, *where, after))


def write_endpoint(where: Endpoint) -> Body:
    """Return a ``struct sockaddr_in`` or ``sockaddr_in6``; the link of a link-local address is filled in later."""
    address, _, zone = where.address.partition("%")
    port = where.port.to_bytes(2, "big")
    if ":" not in address:
        return (_SOCKADDR_IN.pack(AF_INET, port, ip_text.packed(address)),)
    whole = _SOCKADDR_IN6.pack(AF_INET6, port, ip_text.packed(address), 0)
    if not zone:
        return (whole,)
    return (whole[:-4], struct.pack("=I", int(zone)) if zone.isdecimal() else IndexOf(zone))


def _write_prefix(text: str) -> bytes:
    """Return an allowed IP, which has its one spelling: no bits are set behind its length."""
    address, _, length = text.partition("/")
    form, family = (_ALLOWED_IP6, AF_INET6) if ":" in address else (_ALLOWED_IP4, AF_INET)
    packed = ip_text.packed(address)
    return form.pack(
        *(form.size, netlink.NLA_F_NESTED),
        *(6, ALLOWED_IP_FAMILY, family),
        *(4 + len(packed), ALLOWED_IP_ADDRESS, packed),
        *(5, ALLOWED_IP_LENGTH, int(length)),
    )
