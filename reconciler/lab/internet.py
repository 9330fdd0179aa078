"""The Internet of a lab: one namespace with an interface for each provider's line and tunnel, and a host on it.

Answers go back over the line that the client's latest packet came in by, so that a client whose prefix several exits
serve is answered through the exit that it uses: conntrack remembers that line, a byte for either direction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv6Network

from reconciler.lab.fields import End
from reconciler.lab.file import Internet, networks
from reconciler.lab.layout import line_end, link_local, tunnel_interface
from reconciler.lab.namespaces import Place
from reconciler.lab.programs import ProgramError, ip, run

FIRST_TABLE = 1000
_FIRST_RULE = 100
_ORIGINAL, _REPLY = 0x00FF, 0xFF00
"""Where conntrack's mark keeps the line that a connection's beginner, and that the other side, was last heard by."""


@dataclass(frozen=True, slots=True)
class Way:
    """An interface of the Internet: its number from 1, what is routed by it and how, and who may speak from there."""

    number: int
    node: str
    interface: str
    routed: tuple[IPv6Network, ...]
    onward: str
    allowed: tuple[IPv6Network, ...]


def ways(internet: Internet) -> tuple[Way, ...]:
    """Return the interfaces of the Internet, lines and tunnels."""
    found: list[Way] = []
    for number, line in enumerate(internet.lines):
        name = line_end(number, line.node).interface
        onward = f"via {link_local(End(line.node, line.interface))} dev {name}"
        found.append(Way(len(found) + 1, line.node, name, line.routes, onward, networks(line)))
    for number, tunnel in enumerate(internet.tunnels):
        name = tunnel_interface(number, tunnel.node)
        allowed = (tunnel.address.network, *tunnel.routes)
        found.append(Way(len(found) + 1, tunnel.node, name, tunnel.routes, f"dev {name}", allowed))
    return tuple(found)


class Providers:
    """The providers: what they route, and what they refuse."""

    def __init__(self, internet: Internet, place: Place, home: int) -> None:
        self.internet = internet
        self.place = place
        self.note: str | None = None
        """What the kernel cannot do, if anything."""
        self._home = home
        self._ways = ways(internet)

    def make(self) -> None:
        """Make all of it, on a place that has its cables. Raises ProgramError."""
        lines = [f"address add {self.internet.address}/128 dev lo nodad"]
        for number, line in enumerate(self.internet.lines):
            name = line_end(number, line.node).interface
            lines += [
                f"link set {name} addrgenmode none",
                f"link set {name} up",
                f"address add {line.gateway} dev {name} nodad",
                f"address add fe80::1/64 dev {name} nodad",
            ]
        ip(self.place, self._home, lines)
        self._make_tunnels()
        self._make_routes()
        run(self.place, self._home, ("nft", "-f", "-"), _ruleset(self._ways))

    def refused(self) -> dict[str, int]:
        """Return how many packets were refused of each node, for a source that is not its own. Raises ProgramError."""
        said = json.loads(run(self.place, self._home, ("nft", "-j", "list", "counters")))
        counts = {one["counter"]["name"]: one["counter"]["packets"] for one in said["nftables"] if "counter" in one}
        found: dict[str, int] = {}
        for way in self._ways:
            found[way.node] = found.get(way.node, 0) + int(counts.get(f"refused{way.number}", 0))
        return found

    def _make_tunnels(self) -> None:
        lines = [f"address replace {tunnel.local}/128 dev lo nodad" for tunnel in self.internet.tunnels]
        ends = {tunnel_interface(number, tunnel.node): tunnel for number, tunnel in enumerate(self.internet.tunnels)}
        for name, tunnel in ends.items():
            words = f"type {tunnel.mode} local {tunnel.local} remote {tunnel.remote} encaplimit none"
            try:
                ip(self.place, self._home, [f"link add {name} {words}"])
            except ProgramError as exc:
                self.note = f"there are no tunnels here: the kernel makes no {tunnel.mode} ({exc.said})"
                self._ways = tuple(way for way in self._ways if way.interface not in ends)
                return
            lines += [f"link set {name} up", f"address add {tunnel.address} dev {name} nodad"]
        ip(self.place, self._home, lines)

    def _make_routes(self) -> None:
        lines = []
        for way in self._ways:
            table = FIRST_TABLE + way.number
            for prefix in way.routed:
                lines.append(f"route add {prefix} {way.onward} table {table}")
                lines.append(f"route add {prefix} {way.onward} metric {FIRST_TABLE + way.number}")
            for mark, mask in ((way.number, _ORIGINAL), (way.number << 8, _REPLY)):
                lines.append(f"rule add priority {_FIRST_RULE} fwmark {mark:#x}/{mask:#x} lookup {table}")
        # Of two that are routed the same prefix, the first hears of what nobody began.
        lines.append("route add unreachable default metric 4294967295")
        ip(self.place, self._home, lines)


def _ruleset(found: tuple[Way, ...]) -> str:
    """Return the nftables ruleset (nft(8))."""
    counters = "".join(f"  counter refused{way.number} {{ }}\n" for way in found)
    refusals = "".join(
        f'    iifname "{way.interface}" ip6 saddr != {{ fe80::/10, {", ".join(map(str, _merged(way.allowed)))} }} '
        f"counter name refused{way.number} drop\n"
        for way in found
    )
    # What a connection's beginner sends goes by the line that the other side was last heard by, and the reverse.
    heard = "".join(
        f'    iifname "{way.interface}" ct direction original ct mark set ct mark and {_REPLY:#x} or {way.number:#x}\n'
        f'    iifname "{way.interface}" ct direction reply ct mark set ct mark and {_ORIGINAL:#x} or '
        f"{way.number << 8:#x}\n"
        for way in found
    )
    there = (
        f"    ct direction original meta mark set ct mark and {_REPLY:#x}\n"
        f"    ct direction reply meta mark set ct mark and {_ORIGINAL:#x}\n"
    )
    neighbours = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report"
    return (
        "table ip6 lab {\n"
        f"{counters}"
        "  chain refuse {\n    type filter hook prerouting priority raw\n"
        f"    icmpv6 type {{ {neighbours} }} accept\n{refusals}  }}\n"
        "  chain remember {\n    type filter hook prerouting priority mangle\n"
        f"{heard}{there}  }}\n"
        "  chain answer {\n    type route hook output priority mangle\n"
        f"{there}  }}\n"
        "}\n"
    )


def _merged(prefixes: tuple[IPv6Network, ...]) -> list[IPv6Network]:
    """Return the prefixes without those inside others: a set of nftables takes no overlaps."""
    return [
        one for one in dict.fromkeys(prefixes) if not any(one != other and one.subnet_of(other) for other in prefixes)
    ]
