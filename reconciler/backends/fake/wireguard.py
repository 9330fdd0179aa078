"""WireGuard in the fake: the kernel's and, for links of wireguard-go, userspace (wg(8), drivers/net/wireguard)."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

from intent.resources import netlink, wireguard_netlink
from intent.resources.processes import AwaitEnd, StartProcess
from intent.resources.wireguard_link import PROGRAM
from intent.resources.wireguard_names import Endpoint, key_bytes, key_text
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import (
    NetlinkDeviceRow,
    NetlinkPeerRow,
    PortRow,
    UapiDeviceRow,
    UapiPeerRow,
    WireGuardContext,
)
from intent.secrets import PrivateKey
from reconciler.backends.fake.kernel import FakeKernel
from reconciler.backends.fake.links import FakeLink
from reconciler.backends.fake.refused import Refused, encoded
from reconciler.backends.wireguard_errors import about, not_there, port_taken
from reconciler.core.backend import Dump, Partitions
from reconciler.core.errors import BackendError, RejectedError, StaleError, UnsupportedError

FIRST_RANDOM_PORT = 32768
NONE = bytes(32)


@dataclass(slots=True)
class FakePeer:
    """A peer; ``last_handshake`` in seconds since 1970, 0 for never."""

    preshared_key: bytes = NONE
    endpoint: Endpoint | None = None
    allowed_ips: list[str] = field(default_factory=list)
    persistent_keepalive: int = 0
    last_handshake: int = 0


@dataclass(slots=True)
class FakeDevice:
    """The configuration of an interface; peers by public key in base64."""

    userspace: bool
    private_key: bytes = NONE
    listen_port: int = 0
    fwmark: int = 0
    peers: dict[str, FakePeer] = field(default_factory=dict)


class FakeWireGuard:
    """The WireGuard interfaces by link. ``ports`` are those that other programs hold; ``now`` is in seconds."""

    tables = frozenset({"wireguard"})

    def __init__(self, kernel: FakeKernel, programs: frozenset[str]) -> None:
        self._kernel = kernel
        self._programs = programs
        self.devices: dict[str, FakeDevice] = {}
        self.ports: set[int] = set()
        self.now = 1_000_000.0
        kernel.after_made.append(self._made)
        kernel.after_gone.append(self._gone)
        kernel.before_up.append(self._before_up)

    def dump(self, partitions: Partitions) -> Dump:
        """Return the rows of the named links, of all for ``None``."""
        names = {name: index for index, name in self._kernel.links.names().items()}
        links = sorted(self.devices if partitions is None else self.devices.keys() & {*map(str, partitions)})
        rows = [row for link in links for row in _rows(link, self.devices[link], names)]
        return Dump(rows, WireGuardContext(self.now, self._kernel.links.names()))

    def lacking(self, request: StartProcess) -> UnsupportedError | None:
        """Return the error for a program that is not installed."""
        program = request.argv[0]
        if program in self._programs:
            return None
        return UnsupportedError(f"start {' '.join(request.argv)}: there is no program {program} on the PATH")

    def start(self, request: StartProcess | AwaitEnd) -> BackendError | None:
        """Start wireguard-go, which makes its link; it ends at once when its link is gone."""
        if isinstance(request, AwaitEnd):
            return None
        if (lack := self.lacking(request)) is not None:
            return lack
        program, *words = request.argv
        if program != PROGRAM or self._kernel.links.find(words[0]) is not None:
            return RejectedError(f"start {' '.join(request.argv)}: it ended with status 1")
        self.devices[words[0]] = FakeDevice(userspace=True)
        self._kernel.add_link(words[0], "tun")
        return None

    def carry_out(self, request: SetDevice | SetPeer) -> BackendError | None:
        """Configure an interface or one of its peers."""
        link = self._kernel.links.find(request.link)
        if link is None:
            gone_is_done = isinstance(request, SetPeer) and request.remove
            return None if gone_is_done else StaleError(f"{about(request)}: there is no such link")
        device = self.devices.get(request.link)
        if device is None:
            return not_there(request)
        if isinstance(request, SetPeer):
            _set_peer(device, request)
            return None
        return self._set_device(link, device, request)

    def shake_hands(self, link: str, public_key: str, endpoint: Endpoint | None = None) -> None:
        """Let a peer complete a handshake now, from another endpoint if one is given: it has roamed."""
        peer = self.devices[link].peers[public_key]
        peer.last_handshake = int(self.now)
        peer.endpoint = endpoint or peer.endpoint

    def describe(self) -> Iterator[str]:
        """Yield a line for every interface and every peer, without secrets."""
        for name, device in self.devices.items():
            keyed = "none" if device.private_key == NONE else key_text(PrivateKey(device.private_key).public)
            yield f"wireguard {name} public {keyed} port {device.listen_port} fwmark {device.fwmark}"
            for public, peer in device.peers.items():
                secret = " preshared" if peer.preshared_key != NONE else ""
                where = "" if peer.endpoint is None else f" endpoint {peer.endpoint}"
                allowed = ",".join(sorted(peer.allowed_ips))
                yield f"peer {public} dev {name}{secret}{where} every {peer.persistent_keepalive} allowed {allowed}"

    def _made(self, link: FakeLink) -> None:
        if link.kind == "wireguard":
            self.devices[link.name] = FakeDevice(userspace=False)

    def _gone(self, link: FakeLink) -> None:
        self.devices.pop(link.name, None)

    def _before_up(self, link: FakeLink) -> None:
        """Open the UDP port as the link is set up (wg_open). Raises Refused: EADDRINUSE."""
        device = self.devices.get(link.name)
        if device is not None:
            self._check_port(link.name, device.listen_port)
            device.listen_port = device.listen_port or self._random_port()

    def _set_device(self, link: FakeLink, device: FakeDevice, request: SetDevice) -> BackendError | None:
        if request.listen_port is not None:
            try:
                if link.up:
                    self._check_port(link.name, request.listen_port)
            except Refused:
                return port_taken(request)
            device.listen_port = request.listen_port or (self._random_port() if link.up else 0)
        if request.private_key is not None:
            device.private_key = request.private_key.reveal()
        if request.fwmark is not None:
            device.fwmark = request.fwmark
        return None

    def _check_port(self, link: str, port: int) -> None:
        if port and port in self._used(link):
            raise Refused(errno.EADDRINUSE)

    def _random_port(self) -> int:
        used = self._used("")
        return next(port for port in range(FIRST_RANDOM_PORT, 65536) if port not in used)

    def _used(self, besides: str) -> set[int]:
        up = {link.name for link in self._kernel.links if link.up}
        return self.ports | {device.listen_port for name, device in self.devices.items() if name in up - {besides}}


def _set_peer(device: FakeDevice, request: SetPeer) -> None:
    if request.remove:
        device.peers.pop(request.public_key, None)
        return
    own = device.private_key != NONE and key_text(PrivateKey(device.private_key).public) == request.public_key
    missing = request.public_key not in device.peers
    # The kernel passes over a peer that is the interface itself, and over one to update that is not there.
    if own or (missing and request.update_only):
        return
    peer = device.peers.setdefault(request.public_key, FakePeer())
    if request.preshared_key is not None:
        peer.preshared_key = request.preshared_key.reveal()
    peer.endpoint = request.endpoint or peer.endpoint
    if request.persistent_keepalive is not None:
        peer.persistent_keepalive = request.persistent_keepalive
    if request.replace_allowed_ips:
        peer.allowed_ips.clear()
    for prefix in request.allowed_ips:
        for other in device.peers.values():
            if prefix in other.allowed_ips:
                # A prefix leads to one peer: it moves (wg_allowedips_insert_v4 and _v6).
                other.allowed_ips.remove(prefix)
        peer.allowed_ips.append(prefix)


Row = NetlinkDeviceRow | NetlinkPeerRow | PortRow | UapiDeviceRow | UapiPeerRow


def _rows(link: str, device: FakeDevice, indices: dict[str, int]) -> Iterator[Row]:
    if device.userspace:
        configuration = UapiDeviceRow(link, _uapi_device(device))
        yield from (configuration, PortRow(configuration))
        yield from (UapiPeerRow(link, _uapi_peer(public, peer)) for public, peer in device.peers.items())
        return
    body = netlink.attribute(wireguard_netlink.DEVICE_PRIVATE_KEY, device.private_key)
    body += netlink.u16(wireguard_netlink.DEVICE_LISTEN_PORT, device.listen_port)
    body += netlink.u32(wireguard_netlink.DEVICE_FWMARK, device.fwmark)
    row = NetlinkDeviceRow(link, encoded(body))
    yield from (row, PortRow(row))
    yield from (NetlinkPeerRow(link, _netlink_peer(public, peer, indices)) for public, peer in device.peers.items())


def _netlink_peer(public: str, peer: FakePeer, indices: dict[str, int]) -> tuple[bytes, ...]:
    head = netlink.attribute(wireguard_netlink.PEER_PUBLIC_KEY, key_bytes(public))
    body = head + netlink.attribute(wireguard_netlink.PEER_PRESHARED_KEY, peer.preshared_key)
    body += netlink.u16(wireguard_netlink.PEER_PERSISTENT_KEEPALIVE, peer.persistent_keepalive)
    seconds = peer.last_handshake.to_bytes(8, "little")
    body += netlink.attribute(wireguard_netlink.PEER_LAST_HANDSHAKE, seconds + bytes(8))
    if peer.endpoint is not None:
        parts = wireguard_netlink.write_endpoint(peer.endpoint)
        filled = (
            part if isinstance(part, bytes) else indices.get(part.link, 0).to_bytes(4, "little") for part in parts
        )
        body += netlink.attribute(wireguard_netlink.PEER_ENDPOINT, *filled)
    # The kernel splits a long peer over messages: here every one that has two prefixes.
    lists = [peer.allowed_ips[:1], peer.allowed_ips[1:]]
    first, second = (netlink.nested(wireguard_netlink.PEER_ALLOWED_IPS, *_prefixes(part)) for part in lists)
    return (encoded(body + first), *((encoded(head + second),) if lists[1] else ()))


def _prefixes(texts: list[str]) -> netlink.Body:
    return tuple(part for text in texts for part in _prefix(text))


def _prefix(text: str) -> netlink.Body:
    network = ipaddress.ip_network(text)
    return netlink.nested(
        0,
        *netlink.u16(wireguard_netlink.ALLOWED_IP_FAMILY, 2 if network.version == 4 else 10),
        *netlink.attribute(wireguard_netlink.ALLOWED_IP_ADDRESS, network.network_address.packed),
        *netlink.u8(wireguard_netlink.ALLOWED_IP_LENGTH, network.prefixlen),
    )


def _uapi_device(device: FakeDevice) -> bytes:
    lines = [f"listen_port={device.listen_port}", f"fwmark={device.fwmark}"]
    if device.private_key != NONE:
        lines.insert(0, f"private_key={device.private_key.hex()}")
    return "".join(f"{line}\n" for line in lines).encode()


def _uapi_peer(public: str, peer: FakePeer) -> bytes:
    lines = [key_bytes(public).hex(), f"preshared_key={peer.preshared_key.hex()}"]
    lines += [] if peer.endpoint is None else [f"endpoint={peer.endpoint}"]
    lines += [f"persistent_keepalive_interval={peer.persistent_keepalive}"]
    lines += [f"last_handshake_time_sec={peer.last_handshake}"]
    lines += [f"allowed_ip={prefix}" for prefix in peer.allowed_ips]
    return "".join(f"{line}\n" for line in lines).encode()
