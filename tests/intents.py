"""Node files made by hypothesis: valid ones, of all features, for an exit node with ``mesh0`` and ``wan``."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

from intent.secrets import PrivateKey

PUBLIC_KEYS = [base64.b64encode(PrivateKey(bytes([number]) * 32).public).decode() for number in range(1, 13)]
EXITS = [f"2001:db8:{number:x}00::/56" for number in range(4, 10)]


@st.composite
def peers(draw: st.DrawFn, offset: int) -> list[dict[str, Any]]:
    """Peers of one interface; their allowed IPs have nothing in common."""
    found: list[dict[str, Any]] = []
    for number in draw(st.lists(st.integers(0, 5), unique=True, max_size=4)):
        prefixes = draw(st.lists(st.integers(0, 3), unique=True, max_size=3))
        peer: dict[str, Any] = {
            "public_key": PUBLIC_KEYS[(number + offset) % len(PUBLIC_KEYS)],
            "allowed_ips": [f"fd00:{number:x}:{prefix:x}::/48" for prefix in prefixes],
        }
        if draw(st.booleans()):
            peer["endpoint"] = draw(st.sampled_from(["[2001:db8:1::9]:51820", "192.0.2.9:51821"]))
        if draw(st.booleans()):
            peer["persistent_keepalive"] = draw(st.sampled_from([0, 25]))
        found.append(peer)
    return found


@st.composite
def wireguard(draw: st.DrawFn) -> list[dict[str, Any]]:
    """WireGuard interfaces, each with a port of its own or none."""
    ports = draw(st.permutations([51820, 51821, None]))
    return [
        {
            "name": f"wg-gen{number}",
            "private_key": {"file": f"$folder/keys/wg{number}", "generate": True},
            "addresses": draw(
                st.lists(st.sampled_from([f"fe80::{number + 1}/64", f"fd00:e::{number + 1}/64"]), unique=True)
            ),
            "mtu": draw(st.sampled_from([1280, 1420])),
            "peers": draw(peers(number * 6)),
            **({} if ports[number] is None else {"listen_port": ports[number]}),
            **draw(st.sampled_from([{}, {"fwmark": 51}])),
        }
        for number in draw(st.lists(st.integers(0, 1), unique=True))
    ]


@st.composite
def gre(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Tunnels of any mode; one name may be any of them."""
    tunnels: list[dict[str, Any]] = []
    for number in draw(st.lists(st.integers(0, 1), unique=True)):
        mode = draw(st.sampled_from(["gre", "gretap", "ip6gre", "ip6gretap"]))
        six = mode.startswith("ip6")
        tunnel: dict[str, Any] = {
            "name": f"gre-gen{number}",
            "mode": mode,
            "local": "2001:db8:1::2" if six else "192.0.2.2",
            "remote": f"2001:db8:1::{number + 1}0" if six else f"192.0.2.{number + 1}0",
            "addresses": draw(st.sampled_from([[], [f"fd00:aa:{number}::2/64"]])),
        }
        options: dict[str, Any] = {"key": 7, "ttl": 33, "tos": 16, "mtu": 1300, "underlay": "wan"}
        if six:
            options["encapsulation_limit"] = draw(st.sampled_from(["none", 3]))
        for name in draw(st.lists(st.sampled_from(sorted(options)), unique=True)):
            tunnel[name] = options[name]
        tunnels.append(tunnel)
    return tunnels


@st.composite
def node_files(draw: st.DrawFn) -> str:
    """Return the text of a node file; ``$folder`` in it stands for a folder of the test's."""
    node: dict[str, Any] = {"version": 1, "node": "generated"}
    node["addresses"] = [{"interface": "mesh0", "addresses": ["fd00:6d65::1/64"]}]
    if draw(st.booleans()):
        node["wireguard"] = draw(wireguard())
    if draw(st.booleans()):
        node["gre"] = draw(gre())
    if draw(st.booleans()):
        node |= draw(_mesh([tunnel["name"] for tunnel in node.get("gre", [])]))
    return json.dumps(node, indent=1)


@st.composite
def careful_node_files(draw: st.DrawFn) -> str:
    """Return a node file that says with what care the node is changed; its checks pass nowhere."""
    node: dict[str, Any] = json.loads(draw(node_files()))
    node |= draw(_care("mesh" in node, [interface["name"] for interface in node.get("wireguard", [])]))
    return json.dumps(node, indent=1)


@st.composite
def _care(draw: st.DrawFn, mesh: bool, wireguards: list[str]) -> dict[str, Any]:
    checks: list[dict[str, Any]] = [
        {"ping": "2001:db8:1::9"},
        {"ping": "fe80::9", "interface": "wan", "timeout": "1s"},
        {"tcp": "[2001:db8:1::9]:443"},
        {"program": ["/bin/true", "now"]},
        *({"babel_neighbours": 1, **where} for where in ({}, {"interface": "mesh0"}) if mesh),
        *({"wireguard_handshake": name, "not_older_than": "3m"} for name in wireguards),
    ]
    found: dict[str, Any] = draw(st.sampled_from([{}, {"confirm": "1m30s"}, {"guards": {"deletes": "100%"}}]))
    if draw(st.booleans()):
        found = {**found, "checks": draw(st.lists(st.sampled_from(checks), max_size=3))}
    return found


@st.composite
def _mesh(draw: st.DrawFn, tunnels: list[str]) -> dict[str, Any]:
    table = draw(st.sampled_from([10, 1000]))
    babeld = {
        "socket": "$folder/babeld.sock",
        "config": "$folder/babeld.conf",
        "restart_command": ["$folder/restart-babeld"],
    }
    interface = draw(st.sampled_from([{"name": "mesh0"}, {"name": "mesh0", "type": "wired", "rxcost": 200}]))
    found: dict[str, Any] = {
        "mesh": {
            "table": table,
            "interfaces": [interface],
            "babeld": babeld,
            **draw(st.sampled_from([{}, {"prefixes": ["fd00:6d65::/48"]}, {"uplinks": ["wan"]}])),
        }
    }
    if draw(st.booleans()):
        found["links"] = {
            "private_key": {"file": "$folder/keys/links", "generate": True},
            "peers": [
                {
                    "node": f"peer-{key}",
                    "public_key": PUBLIC_KEYS[key],
                    "ipv4": draw(st.booleans()),
                    "listen_port": 51900 + key,
                }
                for key in draw(st.lists(st.integers(0, 3), unique=True, max_size=2))
            ],
        }
    if draw(st.booleans()):
        found["exit"] = {
            "allow_special_purpose": True,
            "prefixes": [
                {
                    "prefix": prefix,
                    "via": draw(
                        st.sampled_from([{"interface": way, "gateway": "fe80::1"} for way in ["wan", *tunnels]])
                    ),
                    **draw(st.sampled_from([{}, {"metric": 300}])),
                }
                for prefix in draw(st.lists(st.sampled_from(EXITS), unique=True, max_size=3))
            ],
        }
    if draw(st.booleans()):
        found["firewall"] = draw(_firewall(found.get("exit", {}).get("prefixes", [])))
    return found


@st.composite
def _firewall(draw: st.DrawFn, exits: list[dict[str, Any]]) -> dict[str, Any]:
    wall: dict[str, Any] = draw(st.sampled_from([{}, {"anti_spoofing": False}, {"clamp_mss": False}]))
    translated = draw(st.lists(st.sampled_from(range(len(exits))), unique=True)) if exits else []
    for number in translated:
        out = exits[number]["via"]["interface"]
        entry = {"from": f"fd00:{number + 1}::/48", "out": out}
        if draw(st.booleans()):
            wall = {**wall, "translate": [*wall.get("translate", []), {**entry, "to": f"2001:db8:f{number}::/48"}]}
        else:
            wall = {**wall, "masquerade": [*wall.get("masquerade", []), entry]}
    return wall
