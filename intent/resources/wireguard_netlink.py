"""WireGuard's generic netlink family as bytes (linux/wireguard.h): reading its attributes and writing its messages."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from intent.resources import netlink
from intent.resources.netlink import Body, IndexOf
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
        return spelled(str(ipaddress.IPv4Address(sockaddr[4:8])), port)
    if family != AF_INET6:
        return None
    _, _, address, scope = _SOCKADDR_IN6.unpack_from(sockaddr)
    zone = f"%{link_names.get(scope, scope)}" if scope else ""
    return spelled(f"{ipaddress.IPv6Address(address)}{zone}", port)


def _read_prefix(data: bytes) -> str:
    found = dict(netlink.attributes(data))
    address = found[ALLOWED_IP_ADDRESS]
    # Bytes of four and of sixteen are IPv4 and IPv6: the family says nothing more.
    return f"{ipaddress.ip_address(address)}/{found[ALLOWED_IP_LENGTH][0]}"


def split_peers(messages: Sequence[bytes]) -> tuple[bytes, dict[bytes, list[bytes]]]:
    """Return the attributes of the first message and, by public key, the parts of each peer in all of them.

    ``messages`` are the attributes of one dump. A peer that the kernel split has several parts, in its order.
    """
    peers: dict[bytes, list[bytes]] = {}
    for message in messages:
        for kind, payload in netlink.attributes(message):
            if kind == DEVICE_PEERS:
                _collect(payload, peers)
    return _without_peers(messages[0]) if messages else b"", peers


def _collect(payload: bytes, peers: dict[bytes, list[bytes]]) -> None:
    for _, part in netlink.attributes(payload):
        # The kernel writes the public key first (wg_get_device_dump and get_peer).
        size, kind = _ATTRIBUTE.unpack_from(part)
        if size == 36 and kind == PEER_PUBLIC_KEY:
            public = part[4:36]
        else:
            public = dict(netlink.attributes(part))[PEER_PUBLIC_KEY]
        if (known := peers.get(public)) is None:
            peers[public] = [part]
        else:
            known.append(part)


def _without_peers(message: bytes) -> bytes:
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
    peers: Body = ()
    carries: list[int] = []

    def close() -> None:
        nonlocal peers, carries
        body = netlink.join((*head, *netlink.nested(DEVICE_PEERS, *peers)))
        messages.append(SetMessage(body, tuple(dict.fromkeys(carries))))
        peers, carries = (), []

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


def _fragments(request: SetPeer) -> Iterator[Body]:
    """Yield the peer as one nested attribute, or as several with a share of its allowed IPs each."""
    room = MESSAGE_BYTES - 2 * _PEER_OVERHEAD_BYTES
    share: Body = ()
    used = 0
    first = True
    for prefix in request.allowed_ips:
        item = _write_prefix(prefix)
        size = netlink.length(item)
        if share and used + size > room:
            yield _write_peer(request, share, first)
            share, used, first = (), 0, False
        share += item
        used += size
    if share or first:
        yield _write_peer(request, share, first)


def _write_peer(request: SetPeer, allowed_ips: Body, first: bool) -> Body:
    flags = FLAG_UPDATE_ONLY if request.update_only else 0
    body = netlink.attribute(PEER_PUBLIC_KEY, key_bytes(request.public_key))
    if first:
        flags |= FLAG_REMOVE_ME if request.remove else 0
        flags |= FLAG_REPLACE_ALLOWED_IPS if request.replace_allowed_ips else 0
    body += netlink.u32(PEER_FLAGS, flags)
    if first and request.preshared_key is not None:
        body += netlink.attribute(PEER_PRESHARED_KEY, request.preshared_key.reveal())
    if first and request.endpoint is not None:
        body += netlink.attribute(PEER_ENDPOINT, *write_endpoint(request.endpoint))
    if first and request.persistent_keepalive is not None:
        body += netlink.u16(PEER_PERSISTENT_KEEPALIVE, request.persistent_keepalive)
    if allowed_ips:
        body += netlink.nested(PEER_ALLOWED_IPS, *allowed_ips)
    return netlink.join(netlink.nested(0, *body))


def write_endpoint(where: Endpoint) -> Body:
    """Return a ``struct sockaddr_in`` or ``sockaddr_in6``; the link of a link-local address is filled in later."""
    address = ipaddress.ip_address(where.address)
    port = where.port.to_bytes(2, "big")
    if isinstance(address, ipaddress.IPv4Address):
        return (_SOCKADDR_IN.pack(AF_INET, port, address.packed),)
    whole = _SOCKADDR_IN6.pack(AF_INET6, port, address.packed, 0)
    zone = address.scope_id
    if zone is None:
        return (whole,)
    return (whole[:-4], struct.pack("=I", int(zone)) if zone.isdecimal() else IndexOf(zone))


def _write_prefix(text: str) -> Body:
    network = ipaddress.ip_network(text)
    family = AF_INET if network.version == 4 else AF_INET6
    return netlink.join(
        netlink.nested(
            0,
            *netlink.u16(ALLOWED_IP_FAMILY, family),
            *netlink.attribute(ALLOWED_IP_ADDRESS, network.network_address.packed),
            *netlink.u8(ALLOWED_IP_LENGTH, network.prefixlen),
        )
    )
