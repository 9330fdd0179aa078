"""A provider that asks babeld for all it knows at each query, as those in use do.

``python dump_on_query.py SOCKET PORT``: answers respondd queries on that UDP port, on all interfaces.
"""

from __future__ import annotations

import json
import socket
import sys
import zlib
from typing import Any

INFINITY = 65535


def main() -> None:
    """Answer for ever."""
    path, port = sys.argv[1:]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("::", int(port)))
        while True:
            request, sender = endpoint.recvfrom(255)
            sections = request.split()[1:]
            said = sections_of(dump(path))
            answer = {name.decode(): said[name.decode()] for name in sections if name.decode() in said}
            endpoint.sendto(deflated(json.dumps(answer).encode()), sender)


def dump(path: str) -> str:
    """Return what a babeld knows."""
    with socket.socket(socket.AF_UNIX) as babeld:
        babeld.connect(path)
        said = ""
        for command in (b"", b"dump\n"):
            babeld.sendall(command)
            parts = [b""]
            while not parts[-1].endswith(b"ok\n"):
                parts.append(babeld.recv(1 << 16))
            said = b"".join(parts).decode()
    return said


def sections_of(said: str) -> dict[str, Any]:
    """Return the sections of an answer: what is asked of babeld, and no more."""
    interfaces: dict[str, dict[str, Any]] = {}
    gateway, best = None, INFINITY
    for line in said.splitlines():
        verb, _, rest = line.partition(" ")
        if verb != "add":
            continue
        kind, _, *words = rest.split()
        fields = dict(zip(words[::2], words[1::2], strict=False))
        if kind == "interface" and "ipv6" in fields:
            interfaces[rest.split()[1]] = {"protocol": "babel", "ll-addr": fields["ipv6"], "neighbours": {}}
        elif kind == "neighbour":
            costs = {name: int(fields[name]) for name in ("rxcost", "txcost", "cost")}
            interfaces[fields["if"]]["neighbours"][fields["address"]] = costs
        elif kind == "route" and fields["prefix"] == "::/0" and int(fields["metric"]) < best:
            gateway, best = fields["via"], int(fields["metric"])
    return {
        "nodeinfo": {"node_id": "020000000001", "hostname": socket.gethostname()},
        "statistics": {"node_id": "020000000001", "gateway_nexthop": gateway},
        "neighbours": {"node_id": "020000000001", "babel": interfaces},
    }


def deflated(text: bytes) -> bytes:
    """Return a text as raw DEFLATE (RFC 1951)."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


if __name__ == "__main__":
    main()
