"""The same routes and peers, in the language of each program."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

TABLE = 10
PEER_TABLE = 20
GATEWAY = "fe80::1"
METRIC = 512
PORT = 51999
WIREGUARD = "wg-bench"
By = Literal["source", "destination"]
"""What the routes are told apart by."""


def prefixes(count: int) -> list[str]:
    """Return so many prefixes of 48 bits, at most 2²⁴."""
    # From 3fff::/20, for documentation (RFC 9637), and on: 2001:db8::/32 has only 65,536 of them.
    return [f"3fff:{number >> 16:x}:{number & 0xFFFF:x}::/48" for number in range(0x10000, 0x10000 + count)]


def packed(prefix: str) -> bytes:
    """Return the address of a prefix as it is on the wire."""
    return ipaddress.IPv6Address(prefix.partition("/")[0]).packed


def node_file(sources: Iterable[str], by: By = "source") -> str:
    """Return a node file with a default route for each source, or a route to each, all over one gateway."""
    listed = "".join(f'      - "{source}"\n' for source in sources)
    heads = {"source": '  - to: "::/0"\n', "destination": '  - from: "::/0"\n'}
    way = f'via: {{interface: wan, gateway: "{GATEWAY}"}}'
    return (
        f"version: 1\nnode: bench\nroutes:\n{heads[by]}    {way}\n    table: {TABLE}\n    metric: {METRIC}\n"
        f"    {'from' if by == 'source' else 'to'}:\n{listed}"
    )


def ip_batch(sources: Iterable[str], table: int = TABLE) -> str:
    """Return lines for ``ip -6 -batch`` that add the same routes."""
    way = f"via {GATEWAY} dev wan table {table} proto 241 metric {METRIC} onlink"
    return "".join(f"route add default from {source} {way}\n" for source in sources)


def bird_configuration(sources: Iterable[str], folder: Path, scan_seconds: int, by: By = "source") -> str:
    """Return a configuration of BIRD 2 with the same routes, in a table beside ours."""
    kind, beginning = {"source": ("ipv6 sadr", "::/0 from "), "destination": ("ipv6", "")}[by]
    routes = "".join(f"  route {beginning}{source} via {GATEWAY}%wan onlink;\n" for source in sources)
    return (
        f'log "{folder}/bird.log" {{ fatal, bug }};\n'
        f"router id 192.0.2.1;\n{kind} table held;\nprotocol device {{}}\n"
        "protocol kernel {\n"
        f"  {kind} {{ table held; export all; import none; }};\n  kernel table {PEER_TABLE};\n"
        f"  scan time {scan_seconds};\n}}\n"
        f"protocol static {{\n  {kind} {{ table held; }};\n{routes}}}\n"
    )


def ifstate_configuration(destinations: Iterable[str]) -> str:
    """Return a configuration of ifstate with as many routes.

    It has no source-specific routes: the prefixes are destinations.
    """
    links = "".join(
        f"  {name}:\n    link: {{kind: veth, state: up, peer: {peer}}}\n"
        for name, peer in (("wan", "far"), ("far", "wan"))
    )
    routes = "".join(f'    - {{to: "{one}", dev: wan, table: {PEER_TABLE}, proto: 242}}\n' for one in destinations)
    return f"interfaces:\n{links}routing:\n  routes:\n{routes}"


def public_key(number: int) -> str:
    """Return a public key; any 32 bytes are one."""
    return base64.b64encode(bytes([9, *number.to_bytes(4), *[7] * 27])).decode()


def allowed_ips(number: int) -> tuple[str, str]:
    """Return the prefixes of a peer."""
    return f"fd00:{number:x}::/48", f"10.{number >> 8}.{number & 255}.0/24"


def endpoint(number: int) -> str:
    """Return the endpoint of a peer."""
    return f"[2001:db8:1::9]:{1000 + number}"


def wireguard_node_file(
    count: int, folder: Path, implementation: str, without: Sequence[int] = (), name: str = WIREGUARD
) -> str:
    """Return a node file with a WireGuard interface; the peers that are named have one prefix instead of two."""
    peers = []
    for number in range(count):
        listed = ", ".join(f'"{prefix}"' for prefix in allowed_ips(number)[: 1 if number in without else 2])
        rest = f'endpoint: "{endpoint(number)}", allowed_ips: [{listed}]'
        peers.append(f'      - {{public_key: "{public_key(number)}", {rest}}}\n')
    return (
        f"version: 1\nnode: bench\nwireguard:\n  - name: {name}\n    implementation: {implementation}\n"
        f"    private_key: {{file: {folder}/key, generate: true}}\n    listen_port: {PORT}\n    peers:\n"
    ) + "".join(peers)


def wireguard_configuration(count: int, private_key: str, port: int) -> str:
    """Return the same for ``wg syncconf``."""
    peers = [
        f"[Peer]\nPublicKey = {public_key(number)}\nEndpoint = {endpoint(number)}\n"
        f"AllowedIPs = {', '.join(allowed_ips(number))}\n"
        for number in range(count)
    ]
    return f"[Interface]\nPrivateKey = {private_key}\nListenPort = {port}\n{''.join(peers)}"
