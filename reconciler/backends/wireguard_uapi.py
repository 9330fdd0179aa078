"""Userspace WireGuard over its unix socket (https://www.wireguard.com/xplatform/)."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from intent.resources import wireguard_uapi as wire
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import PortRow, UapiDeviceRow, UapiPeerRow
from reconciler.backends.netlink_socket import Refusal
from reconciler.backends.wireguard_errors import Results, about, not_there, of_each, port_taken
from reconciler.core.errors import BackendError, DeniedError, OccupiedError, RejectedError, UnreachableError

ANSWER_TIMEOUT_SECONDS = 10.0
BATCH_BYTES = 60_000
_PEER_BYTES = 400
_PREFIX_BYTES = 56

Row = UapiDeviceRow | PortRow | UapiPeerRow


class UserspaceRows:
    """A userspace interface and its peers, in the lines of an answer, split when they are asked for.

    Equal digests are the same in all that counts. Handshakes before ``stale_before`` (seconds since 1970) are stale.
    """

    def __init__(self, link: str, lines: bytes, stale_before: float) -> None:
        self._link = link
        self._lines = lines
        self._counting = wire.counting(lines, stale_before)
        device, peers = wire.split_peers(self._counting)
        # wireguard-go tells its peers in another order each time.
        self.digest = _digest(b"\0".join((device, *sorted(peers))))

    def __iter__(self) -> Iterator[Row]:
        """Yield the interface, its port and its peers."""
        configuration, peers = wire.split_peers(self._lines)
        device = UapiDeviceRow(self._link, configuration)
        yield device
        yield PortRow(device)
        _, counting = wire.split_peers(self._counting)
        for peer, counts in zip(peers, counting, strict=True):
            yield UapiPeerRow(self._link, peer, (self._link, _digest(counts)))


class UserspaceWireGuard:
    """The way to the userspace WireGuards of this machine; a connection lasts for one question."""

    def links(self) -> list[str]:
        """Return the names of which there is a socket; other network namespaces have theirs in the same folder."""
        try:
            return [path.stem for path in Path(wire.SOCKET_FOLDER).iterdir() if path.suffix == ".sock"]
        except (FileNotFoundError, PermissionError):
            return []

    def holds(self, link: str) -> bool:
        """Return whether there is a socket of that name."""
        return Path(wire.socket_path(link)).exists()

    def rows(self, link: str, stale_before: float) -> UserspaceRows | None:
        """Return the interface and its peers, ``None`` where no program listens.

        Handshakes before that time (seconds since 1970) are stale. Raises BackendError, and ValueError where an
        answer is malformed.
        """
        lines = self.lines(link)
        if lines is None:
            return None
        return UserspaceRows(link, lines, stale_before)

    def lines(self, link: str) -> bytes | None:
        """Return the lines of an interface and its peers, ``None`` where no program listens; they hold its keys.

        Raises BackendError.
        """
        try:
            lines, code = _ask(link, wire.GET)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        if code:
            raise Refusal(code, "").error(f"wireguard {link}: look")
        return lines

    def set_device(self, request: SetDevice) -> BackendError | None:
        """Configure an interface."""
        (result,) = _set([request], wire.set_device(request))
        return port_taken(request) if isinstance(result, OccupiedError) else result

    def set_peers(self, link: str, requests: Sequence[SetPeer]) -> Results:
        """Change peers, each public key at most once, in few operations; where one fails, find the culprit."""
        results: Results = []
        for batch in _batches(requests):
            outcome = _set(batch, wire.set_peers(batch))
            if len(batch) > 1 and isinstance(outcome[0], RejectedError):
                # The program stops at the first fault and does not say at which peer.
                outcome = [result for request in batch for result in _set([request], wire.set_peers([request]))]
            results += outcome
        return results


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()


def _batches(requests: Sequence[SetPeer]) -> Iterator[list[SetPeer]]:
    batch: list[SetPeer] = []
    size = 0
    for request in requests:
        more = _PEER_BYTES + _PREFIX_BYTES * len(request.allowed_ips)
        if batch and size + more > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += more
    if batch:
        yield batch


def _set(requests: Sequence[SetDevice] | Sequence[SetPeer], operation: bytes) -> Results:
    """Carry out one operation and return what became of the requests in it, the same for each."""
    try:
        _, code = _ask(requests[0].link, operation)
    except (FileNotFoundError, ConnectionRefusedError):
        return [not_there(request) for request in requests]
    except BackendError as error:
        return of_each(requests, error)
    return [Refusal(code, "").error(about(request)) if code else None for request in requests]


def _ask(link: str, operation: bytes) -> tuple[bytes, int]:
    """Send an operation and return the lines of the answer and its errno.

    Raises FileNotFoundError or ConnectionRefusedError when nothing listens, and BackendError.
    """
    path = wire.socket_path(link)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_TIMEOUT_SECONDS)
            connection.connect(path)
            # A program that stops reading at a fault has said so: its answer is read in any case.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(operation)
            return wire.split_answer(_receive(connection))
    except (FileNotFoundError, ConnectionRefusedError):
        raise
    except PermissionError as exc:
        raise DeniedError(f"{path}: not allowed to speak to the userspace WireGuard; run it as root") from exc
    except TimeoutError as exc:
        raise UnreachableError(
            f"{path}: the userspace WireGuard did not answer within {ANSWER_TIMEOUT_SECONDS:.0f} s; restart it"
        ) from exc
    except (OSError, ValueError) as exc:
        # The answer itself is not quoted: it may hold keys.
        raise UnreachableError(f"{path}: the userspace WireGuard ended, or answered what it should not") from exc


def _receive(connection: socket.socket) -> bytes:
    deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
    answer = bytearray()
    while not wire.complete(answer):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        connection.settimeout(remaining)
        data = connection.recv(1 << 20)
        if not data:
            break
        answer += data
    return bytes(answer)
