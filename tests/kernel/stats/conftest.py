"""``stellwerk stats`` as processes of a host with a real babeld."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host import Host, host
from tests.kernel.daemon.running import Program, Programs, programs

ALONE = """
version: 1
node: roof-1
stats:
  babel: {socket: $folder/babeld.sock}
  respondd: {interfaces: [mesh0]}
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    with host(tmp_path) as made:
        yield made


@pytest.fixture
def start(node: Host) -> Iterator[Programs]:
    with programs(node) as made:
        yield made


def babel(node: Host) -> None:
    """Have babel spoken on both ends of the cable."""
    node.start_neighbour()
    node.start_babeld("-G", str(node.socket), "-C", "redistribute local deny", "mesh0")


def alone(start: Programs, file: Path, *options: str) -> Program:
    """Start one that keeps statistics and nothing else."""
    return start.client("stats", file, *options)


def link_local(node: Host) -> str:
    """Return the address of the host's end of the cable."""
    (found,) = json.loads(node.namespace.ip("-j", "-6", "address", "show", "dev", "mesh0"))
    return next(str(one["local"]) for one in found["addr_info"] if one.get("scope") == "link")


def asked(node: Host, request: bytes = b"GET nodeinfo statistics neighbours") -> dict[str, Any]:
    """Return what respondd of the host tells its neighbour, nothing where it does not answer."""

    def ask() -> bytes:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as endpoint:
            endpoint.settimeout(0.5)
            endpoint.sendto(request, (link_local(node), 1001, 0, socket.if_nametoindex("mesh0")))
            try:
                return endpoint.recv(1 << 16)
            except (TimeoutError, ConnectionRefusedError):
                return b""

    answer = node.neighbour.run(ask)
    return json.loads(zlib.decompress(answer, -15)) if answer else {}


def neighbours(node: Host) -> list[str]:
    """Return the neighbours that respondd of the host tells of."""
    told = asked(node).get("neighbours", {}).get("babel", {})
    return [address for interface in told.values() for address in interface["neighbours"]]
