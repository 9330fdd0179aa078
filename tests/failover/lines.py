"""What arrives in the Internet of a lab: packets by the line that they came in by and the client that they are from."""

from __future__ import annotations

import json
import re
from ipaddress import IPv6Interface, IPv6Network
from typing import Any

from reconciler.lab.laboratory import Lab

INTERNET = "internet"
HOST = "2001:db8:ffff::1"
"""The host out there."""
TABLE = "inet arriving"


class Lines:
    """Counters at the providers' ends of all lines and tunnels, for packets from each of the addresses."""

    def __init__(self, lab: Lab, *addresses: str) -> None:
        self._lab = lab
        links = json.loads(run(lab, INTERNET, "ip", "-j", "link", "show"))
        self._interfaces = [link["ifname"] for link in links if "-" in link["ifname"]]
        named = {(where, address): _counter(where, address) for where in self._interfaces for address in addresses}
        declared = "\n".join(f"counter {name} {{ }}" for name in named.values())
        rules = "\n".join(
            f'iifname "{where}" ip6 saddr {address} counter name "{name}"' for (where, address), name in named.items()
        )
        # Before the providers refuse what has a source that is not the node's: that would be a leak too.
        chain = f"chain count {{\ntype filter hook prerouting priority -400\n{rules}\n}}"
        ruleset = f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{declared}\n{chain}\n}}\n"
        run(lab, INTERNET, "nft", "-f", "-", text=ruleset)

    def count(self, address: str) -> dict[str, int]:
        """Return how many packets from an address came in so far, by the node whose line it was; none are left out."""
        said = json.loads(run(self._lab, INTERNET, "nft", "-j", "list", "counters", "table", *TABLE.split()))
        packets = {one["counter"]["name"]: one["counter"]["packets"] for one in said["nftables"] if "counter" in one}
        found: dict[str, int] = {}
        for interface in self._interfaces:
            if number := packets[_counter(interface, address)]:
                # The interface is named after its number and the node.
                found[interface.partition("-")[2]] = found.get(interface.partition("-")[2], 0) + number
        return found


def _counter(interface: str, address: str) -> str:
    return re.sub(r"\W", "_", f"{interface}_{address}")


def run(lab: Lab, place: str, *command: str, text: str | None = None) -> str:
    """Return what a program, which is told a text, says in a place of the lab. It must end well."""
    done = lab.run(place, *command, text=text)
    assert done.returncode == 0, f"{place}: {' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def address_of(lab: Lab, client: str) -> str:
    """Return the address of a client."""
    return str(IPv6Interface(lab.status()["clients"][client]["address"]).ip)


def exit_of(status: dict[str, Any], client: str) -> str | None:
    """Return the exit through which the client's node sends what is from the client, by a status of the lab."""
    told = status["clients"][client]
    babeld = status["nodes"][told["at"].partition(":")[0]]["babeld"]
    address = IPv6Interface(told["address"]).ip
    ways = [way["exit"] for way in babeld["defaults"] if address in IPv6Network(way["from"])] if babeld else []
    return ways[0] if ways else None


def ways(lab: Lab, *clients: str) -> dict[str, set[str]]:
    """Return by which nodes' lines the requests of each client came in. Most must be answered: radios lose some."""
    found = answered_ways(lab, *clients)
    assert found is not None, f"one of {', '.join(clients)} is not answered"
    return found


def answered_ways(lab: Lab, *clients: str) -> dict[str, set[str]] | None:
    """Return by which nodes' lines the requests of each client came in, ``None`` where most are not answered."""
    addresses = {client: address_of(lab, client) for client in clients}
    lines = Lines(lab, *addresses.values())
    for client in clients:
        found = lab.probe(client, seconds=2.0)
        if found["answered"] <= 0.5 * found["sent"]:
            return None
    return {client: set(lines.count(address)) for client, address in addresses.items()}
