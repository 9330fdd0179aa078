"""A fleet of any size, for tests and measurements: areas of cable and radio around hubs that links join.

Each area is a group with an exit of its own at its hub; hubs are linked in a ring, and so is every tenth node with its
hub. The others hear the node before them over a cable.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

NODES_OF_AN_AREA = 200
NODES_OF_A_SEGMENT = 10
FIRST_PORT = 20000

_FLEET = """\
version: 1
fleet: synthetic
variables:
  number: {type: integer, description: "The number of a node, which its addresses are made of."}
  area: {type: integer, description: "The number of an area."}
  mesh_prefix: {type: prefix, default: "fd00:6d65:7368::/48"}
  exits: {type: prefix, default: "3fff:100::/24"}
defaults:
  mesh:
    table: 10
    prefixes: ["${mesh_prefix}"]
    interfaces:
      - {name: mesh0, type: wired}
    babeld:
      restart_command: [systemctl, restart, babeld]
  addresses:
    - {interface: mesh0, addresses: ["${address(mesh_prefix, number)}/128"]}
"""

_ROLES = {
    "linked": "links:\n  private_key: {file: /etc/stellwerk/keys/links, generate: true}\nmesh:\n  uplinks: [wan]\n",
    "exit": """\
mesh:
  uplinks: [wan]
exit:
  allow_special_purpose: true
  prefixes:
    - {prefix: "${subnet(exits, 48, area)}", via: {interface: wan, gateway: "fe80::1"}}
""",
    "clients": """\
networks:
  - prefix: "${subnet(subnet(exits, 48, area), 64, number)}"
    interface: clients
    address: "${address(subnet(subnet(exits, 48, area), 64, number), 1)}"
""",
    "reporting": "stats:\n  about: {contact: noc@example.org, site: ffxx}\n  respondd: {interfaces: [mesh0]}\n",
    "radio": "mesh:\n  interfaces:\n    - {name: radio0, type: wireless}\n",
}


def node_name(number: int) -> str:
    """Return the name of a node by its number, from 0."""
    return f"node-{number:05d}"


def write_fleet(folder: Path, count: int) -> None:
    """Write a fleet of so many nodes."""
    for name in ("groups", "roles", "nodes"):
        (folder / name).mkdir(parents=True)
    (folder / "fleet.yaml").write_text(_FLEET + "".join(_joins(count)))
    for name, text in _ROLES.items():
        (folder / "roles" / f"{name}.yaml").write_text(text)
    for area in range(-(-count // NODES_OF_AN_AREA)):
        text = f"variables: {{area: {area}}}\nstats:\n  about: {{domain: area-{area}}}\n"
        (folder / "groups" / f"area-{area}.yaml").write_text(text)
    for number in range(count):
        (folder / "nodes" / f"{node_name(number)}.yaml").write_text(node_text(number))


def node_text(number: int, more: str = "") -> str:
    """Return a node's own file."""
    area, inside = divmod(number, NODES_OF_AN_AREA)
    roles = ["reporting"]
    roles += ["linked"] if inside % NODES_OF_A_SEGMENT == 0 else []
    roles += ["exit"] if inside == 0 else []
    roles += ["clients"] if inside % 3 == 1 else []
    roles += ["radio"] if inside % 2 else []
    key = base64.b64encode(sha256(str(number).encode()).digest()).decode()
    public = f'public: {{keys: {{links: "{key}"}}, host: "2001:db8::{number + 1:x}"}}\n' if "linked" in roles else ""
    return (
        f"# One of many.\ngroups: [area-{area}]\nroles: [{', '.join(roles)}]\n"
        f"variables: {{number: {number + 1}}}\n{public}{more}"
    )


def _joins(count: int) -> Iterator[str]:
    yield "links:\n"
    hubs = range(0, count, NODES_OF_AN_AREA)
    ring = [(hub, hubs[(at + 1) % len(hubs)]) for at, hub in enumerate(hubs)] if len(hubs) > 2 else []
    spokes = [
        (number - number % NODES_OF_AN_AREA, number)
        for number in range(0, count, NODES_OF_A_SEGMENT)
        if number % NODES_OF_AN_AREA
    ]
    for at, (one, other) in enumerate((*ring, *spokes)):
        yield f"  - {{between: [{node_name(one)}, {node_name(other)}], port: {FIRST_PORT + at}}}\n"
    yield "segments:\n"
    for first in range(0, count, NODES_OF_A_SEGMENT):
        names = ", ".join(map(node_name, range(first, min(first + NODES_OF_A_SEGMENT, count))))
        yield f"  - {{interface: mesh0, nodes: [{names}]}}\n"
