"""What arrives in the Internet of a lab: packets by the line that they came in by and the client that they are from."""

from __future__ import annotations

import json
from ipaddress import IPv6Interface

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
        declared = "".join(f'counter "{name}" {{ }};' for name in named.values())
        counters = "".join(
            f'iifname "{where}" ip6 saddr {address} counter name "{name}";' for (where, address), name in named.items()
        )
        # Before the providers refuse what has a source that is not the node's: that would be a leak too.
        chain = f"chain all {{ type filter hook prerouting priority -400; {counters} }};"
        run(lab, INTERNET, "nft", f"table {TABLE}; delete table {TABLE}; table {TABLE} {{ {declared} {chain} }};")

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
    return f"{interface}_{address.replace(':', '_')}"


def run(lab: Lab, place: str, *command: str) -> str:
    """Return what a program says in a place of the lab. It must end well."""
    done = lab.run(place, *command)
    assert done.returncode == 0, f"{place}: {' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def address_of(lab: Lab, client: str) -> str:
    """Return the address of a client."""
    return str(IPv6Interface(lab.status()["clients"][client]["address"]).ip)


def exit_of(lab: Lab, client: str, prefix: str) -> str | None:
    """Return the exit through which the client's node sends what is from the prefix."""
    status = lab.status()
    node = status["clients"][client]["at"].partition(":")[0]
    babeld = status["nodes"][node]["babeld"]
    ways = [way["exit"] for way in babeld["defaults"] if way["from"] == prefix] if babeld else []
    return ways[0] if ways else None
