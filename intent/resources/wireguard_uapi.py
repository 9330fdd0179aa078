"""The cross-platform protocol of userspace WireGuard as text (https://www.wireguard.com/xplatform/)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intent.ip_text import host_and_port
from intent.resources.wireguard_names import Endpoint, key_bytes, prefixes, spelled
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import DeviceFacts, PeerFacts

SOCKET_FOLDER = "/var/run/wireguard"
GET = b"get=1\n\n"
_END = b"\n\n"
_PEER = b"\npublic_key="
# In the order of wireguard-go. Where another program has another one they count, and its peers are read at each look.
_PASSING = re.compile(
    rb"\nlast_handshake_time_sec=(\d+)\nlast_handshake_time_nsec=\d+\ntx_bytes=\d+\nrx_bytes=\d+(?=\n)"
)


def socket_path(link: str) -> str:
    """Return where the userspace WireGuard of that link listens."""
    return f"{SOCKET_FOLDER}/{link}.sock"


def complete(answer: bytes | bytearray) -> bool:
    """Return whether the answer has come in whole: it ends with an empty line."""
    return answer.endswith(_END)


def split_answer(answer: bytes) -> tuple[bytes, int]:
    """Return the lines of an answer without its last one, and the positive errno which that one tells.

    Raises ValueError when there is no such line, or the end is missing.
    """
    lines, found, code = answer.removesuffix(_END).rpartition(b"errno=")
    if not found or not complete(answer) or (lines and not lines.endswith(b"\n")):
        raise ValueError("the answer does not end with errno=")
    return lines, abs(int(code))


def split_peers(lines: bytes) -> tuple[bytes, list[bytes]]:
    """Return the lines of the interface, and those of each peer from its public key (hexadecimal) on."""
    device, *peers = (b"\n" + lines.removesuffix(b"\n")).split(_PEER)
    return device[1:], peers


def counting(lines: bytes, stale_before: float) -> bytes:
    """Return the lines without counters, and with whether a handshake was before that time in place of when it was.

    Times are in seconds since 1970. Raises ValueError for one that is no number of seconds.
    """
    pieces = _PASSING.split(lines)
    pieces[1::2] = [b"\nstale" if int(seconds) < stale_before else b"\nfresh" for seconds in pieces[1::2]]
    return b"".join(pieces)


def read_device(text: bytes) -> DeviceFacts:
    """Return what the lines of an interface say. Raises ValueError when they are malformed."""
    found = dict(_pairs(text))
    private = found.get("private_key", "")
    return DeviceFacts(
        private_key=bytes.fromhex(private) if private.strip("0") else None,
        listen_port=int(found.get("listen_port", "0")),
        fwmark=int(found.get("fwmark", "0")),
    )


def read_peer(text: bytes) -> PeerFacts:
    """Return what the lines of a peer say. Raises ValueError or KeyError when they are malformed."""
    public, _, rest = text.partition(b"\n")
    pairs = _pairs(rest)
    found = dict(pairs)
    where = found.get("endpoint")
    return PeerFacts(
        public_key=bytes.fromhex(public.decode()),
        preshared_key=bytes.fromhex(found.get("preshared_key", "00" * 32)),
        endpoint=None if where is None else read_endpoint(where),
        allowed_ips=prefixes(value for name, value in pairs if name == "allowed_ip"),
        persistent_keepalive=int(found.get("persistent_keepalive_interval", "0")),
        last_handshake=int(found.get("last_handshake_time_sec", "0")),
    )


def _pairs(text: bytes) -> list[tuple[str, str]]:
    parts = [line.partition("=") for line in text.decode("ascii").splitlines()]
    if not all(found for _, found, _ in parts):
        # The line may be part of a key: it is not quoted.
        raise ValueError("a line without =")
    return [(name, value) for name, _, value in parts]


def read_endpoint(text: str) -> Endpoint:
    """Return the endpoint in ``IP:port`` or ``[IP]:port``. Raises ValueError for what is none."""
    known = host_and_port(text)
    if known is not None:
        return Endpoint(*known)
    address, _, port = text.rpartition(":")
    return spelled(address.strip("[]"), int(port))


def set_device(request: SetDevice) -> bytes:
    """Return the operation that configures an interface."""
    lines: list[str] = []
    if request.private_key is not None:
        lines.append(f"private_key={request.private_key.reveal().hex()}")
    if request.listen_port is not None:
        lines.append(f"listen_port={request.listen_port}")
    if request.fwmark is not None:
        lines.append(f"fwmark={request.fwmark}")
    return _operation(lines)


def set_peers(requests: Sequence[SetPeer]) -> bytes:
    """Return the operation that carries out the requests in their order."""
    return _operation([line for request in requests for line in _peer_lines(request)])


def _peer_lines(request: SetPeer) -> Iterator[str]:
    yield f"public_key={key_bytes(request.public_key).hex()}"
    if request.remove:
        yield "remove=true"
    if request.update_only:
        yield "update_only=true"
    if request.preshared_key is not None:
        yield f"preshared_key={request.preshared_key.reveal().hex()}"
    if request.endpoint is not None:
        yield f"endpoint={request.endpoint}"
    if request.persistent_keepalive is not None:
        yield f"persistent_keepalive_interval={request.persistent_keepalive}"
    if request.replace_allowed_ips:
        yield "replace_allowed_ips=true"
    for allowed in request.allowed_ips:
        yield f"allowed_ip={allowed}"


def _operation(lines: Sequence[str]) -> bytes:
    return "\n".join(("set=1", *lines, "", "")).encode("ascii")
