"""The figures of a node set by hand: an exit with three neighbours, WireGuard, GRE, and an offender in its mesh."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from intent.statistics import (
    About,
    BabelSource,
    Listen,
    Location,
    MeshInterface,
    PageSettings,
    PrometheusSettings,
    RespondSettings,
    Statistics,
)
from reconciler.backends.babel_table import Interface, Known, Neighbour, Route, RouteCounts, Xroute
from reconciler.services.statistics.figures import (
    BabelFigures,
    FirewallCounter,
    LinkFigures,
    PeerFigures,
    SystemFigures,
)

NODE_ID = "02000000000a"
NOON = 1_767_268_800.0
"""The time of day of what the status tells, in seconds since 1970."""

SETTINGS = Statistics(
    node="exit-berlin-7",
    about=About(
        contact="noc@example.org",
        site="berlin",
        domain="mitte",
        location=Location(latitude=52.520815, longitude=13.409419, altitude=35.0),
        model="PC Engines APU2",
    ),
    babel=BabelSource(socket="/run/babeld.sock"),
    mesh_interfaces=(MeshInterface(name="mesh0", sort="other"), MeshInterface(name="wg-mesh", sort="tunnel")),
    mesh_prefixes=("fd00:6d65::/48",),
    wireguard=("wg-mesh",),
    tunnels=("gre-provider",),
    exits=("2001:db8:42::/56", "2001:db8:43::/56"),
    respondd=RespondSettings(interfaces=("mesh0",)),
    prometheus=PrometheusSettings(listen=Listen(address="::1", port=9742)),
    page=PageSettings(listen=Listen(address="::1", port=8080)),
)

NEIGHBOURS = (
    Neighbour("fe80::b", "mesh0", 0xFFFF, 0, 96, 96, 96, None, None),
    Neighbour("fe80::c", "mesh0", 0xFFDE, 0, 128, 256, 289, 12.345, 4),
    Neighbour("fe80::d", "wg-mesh", 0x8000, 0xFF00, 300, 65535, 65535, 83.25, 96),
)

INSTALLED_DEFAULT = Route("::/0", "2001:db8:77::/48", True, "02:00:00:ff:fe:00:00:0b", 96, 0, "fe80::b", "mesh0")
FALLBACK_DEFAULT = INSTALLED_DEFAULT._replace(
    installed=False, router_id="02:00:00:ff:fe:00:00:0e", metric=385, refmetric=96, via="fe80::c"
)

KNOWN = Known(
    version="babeld-1.12.1",
    router_id="02:00:00:ff:fe:00:00:0a",
    interfaces=(
        Interface("mesh0", True, "fe80::a", "10.0.0.1"),
        Interface("wg-mesh", True, "fe80::1:a", None),
        Interface("wlan0", False, None, None),
    ),
    neighbours=NEIGHBOURS,
    xroutes=(
        Xroute("fd00:6d65::a/128", "::/0", 0),
        Xroute("::/0", "2001:db8:42::/56", 0),
    ),
    defaults=(INSTALLED_DEFAULT, FALLBACK_DEFAULT),
    counts=RouteCounts(installed=58, fallback=61, unreachable=3),
    routers=42,
    routes=None,
)

BABEL = BabelFigures(
    known=KNOWN,
    version=1,
    following="monitor",
    age_seconds=0.0,
    problem="",
    connected_total=2,
    lost_total=1,
    dumps_total=0,
    lines_total=4711,
    bytes_total=561_234,
    refused_lines_total=0,
)

LINKS = {
    "lo": LinkFigures("lo", "", "00:00:00:00:00:00", True, 5000, 50, 0, 0, 5000, 50, 0, 0),
    "mesh0": LinkFigures("mesh0", "", "02:00:00:00:00:0a", True, 123_456_789, 234_567, 1, 2, 98_765_432, 123_456, 3, 4),
    "wg-mesh": LinkFigures("wg-mesh", "wireguard", None, True, 9_000_000, 9000, 0, 0, 8_000_000, 8000, 5, 6),
    "gre-provider": LinkFigures(
        "gre-provider", "ip6gre", None, True, 70_000_000_000, 60_000_000, 0, 7, 6_000_000_000, 5_000_000, 0, 0
    ),
    "wlan0": LinkFigures("wlan0", "", "02:00:00:00:02:0a", False, 0, 0, 0, 0, 0, 0, 0, 0),
}

ADDRESSES = {
    "lo": ("127.0.0.1", "::1", "fd00:6d65::a"),
    "mesh0": ("10.0.0.1", "fd00:6d65:0:1::a", "fe80::a"),
    "wg-mesh": ("fe80::1:a",),
    "gre-provider": ("fd00:aa::2", "fe80::2:a"),
}

PEERS = (
    PeerFigures(
        "wg-mesh",
        "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
        "[2001:db8::3]:51901",
        False,
        17.5,
        9_000_000,
        8_000_000,
    ),
    PeerFigures(
        "wg-mesh", "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", "198.51.100.7:51820", True, 4000.0, 400, 800
    ),
    PeerFigures("wg-mesh", "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=", None, False, None, 0, 148),
)

FIREWALL = (FirewallCounter("spoofed_in", 12, 1536), FirewallCounter("spoofed_out", 0, 0))

SYSTEM = SystemFigures(
    load=(0.42, 0.36, 0.3),
    uptime_seconds=86_412.25,
    idle_seconds=160_000.5,
    memory={
        "total": 128 << 20,
        "free": 20 << 20,
        "buffers": 1 << 20,
        "cached": 40 << 20,
        "available": 64 << 20,
    },
    processes_total=97,
    processes_running=2,
    cpu={"user": 1000, "nice": 1, "system": 500, "idle": 90_000, "iowait": 20, "irq": 0, "softirq": 30},
    rootfs_usage=0.2475,
    model="QEMU Virtual CPU",
    cores=2,
)

DIGEST = "5f3a" * 16
STATUS: dict[str, Any] = {
    "stellwerk_status": 1,
    "node": "exit-berlin-7",
    "mode": {"mode": "enforce"},
    "sync": {"state": "drifted", "since": NOON - 60, "reason": "1 to create, 1 in conflict"},
    "health": {
        "state": "degraded",
        "since": NOON - 3600,
        "reasons": ["exit 2001:db8:43::/56 is withdrawn: gre-provider has no carrier"],
    },
    "intent": {
        "file": "/etc/stellwerk/node.yaml",
        "in_file": DIGEST,
        "problem": None,
        "refused": None,
        "held": DIGEST,
        "commit": {
            "id": "c0ffee" * 6 + "beef",
            "author": "Ada <ada@example.org>",
            "subject": "Another exit in Kiel",
            "committed": NOON - 90_000,
            "signer": "ada",
        },
        "tried": DIGEST,
        "by_hand": False,
        "not_undone": None,
        "good": DIGEST,
        "good_since": NOON - 86_400,
        "quarantine": [
            {"digest": "0bad" * 16, "since": NOON - 90_000, "reason": "check ping 2001:db8:ffff::1 failed after it"}
        ],
    },
    "git": {
        "url": "https://git.example.org/fleet.git",
        "branch": "main",
        "path": "rendered/exit-1.yaml",
        "newest": {
            "id": "c0ffee" * 6 + "dead",
            "author": "Bob <bob@example.org>",
            "subject": "A tunnel",
            "committed": NOON - 600,
            "signer": None,
        },
        "newest_since": NOON - 570,
        "fetched": NOON - 30,
        "problem": None,
        "problem_since": None,
        "behind": {"since": NOON - 570, "reason": "rendered/exit-1.yaml:7:3: `mut` is not a field of an interface"},
    },
    "trial": None,
    "objects": [
        {
            "key": ["route", "10", "::/0", "2001:db8:43::/56"],
            "description": "route default from 2001:db8:43::/56 dev gre-provider table 10 proto 242",
            "state": "drifted",
            "reason": "it is missing",
        },
        {
            "key": ["link", "gre-provider"],
            "description": "link gre-provider",
            "state": "in conflict",
            "reason": "a link of that name is there and is not ours",
        },
    ],
    "offers": [
        {
            "kind": "exit",
            "name": "2001:db8:42::/56",
            "prefix": "2001:db8:42::/56",
            "state": "announced",
            "since": NOON - 7200,
        },
        {
            "kind": "exit",
            "name": "2001:db8:43::/56",
            "prefix": "2001:db8:43::/56",
            "state": "withdrawn",
            "since": NOON - 3600,
            "cause": "carrier",
            "reason": "gre-provider has no carrier",
            "until": None,
        },
    ],
    "owned": 23,
    "checks": [
        {"check": "ping 2001:db8:ffff::1", "passed": True, "reason": "it answered after 12 ms"},
        {"check": "babel_neighbours 4", "passed": False, "reason": "there are 3; see to the cables"},
    ],
    "offenders": [
        {
            "kind": "default",
            "destination": "::/0",
            "source": "::/0",
            "router_id": "02:00:00:ff:fe:00:00:0d",
            "neighbour": "fe80::c",
            "interface": "mesh0",
            "metric": 412,
            "refused": True,
            "since": NOON - 900,
            "description": "a default route without `from` is announced by router 02:00:00:ff:fe:00:00:0d, learned "
            "from fe80::c on mesh0",
            "state": "refused",
        }
    ],
    "counts": {"offenders": {"default": 1}},
    "notes": [],
    "recent": [
        {
            "time": NOON - 3600,
            "event": "withdrawn",
            "because": "gre-provider has no carrier",
            "outcome": "exit 2001:db8:43::/56",
        },
        {
            "time": NOON - 900,
            "event": "offender",
            "because": "a default route without `from` is announced by router 02:00:00:ff:fe:00:00:0d",
            "outcome": "it is refused",
        },
    ],
    "rounds": 311,
    "work": {"changes": 42, "failures": 2, "last_round": {"time": NOON - 60, "seconds": 0.25}},
}


class FakeFigures:
    """Figures with the values above, which a test replaces with `set`."""

    def __init__(self, settings: Statistics = SETTINGS, **values: Any) -> None:
        self.settings = settings
        self.node_id = NODE_ID
        self._changed = threading.Condition()
        self._changes = 1
        self._closed = False
        self._values: dict[str, Any] = {
            "babel": BABEL,
            "links": LINKS,
            "addresses": ADDRESSES,
            "peers": PEERS,
            "firewall": FIREWALL,
            "system": SYSTEM,
            "status": STATUS,
            "problems": {},
        }
        self._values |= values
        self.asked: dict[str, int] = dict.fromkeys(self._values, 0)
        """How often each was asked for."""

    def set(self, **values: Any) -> None:
        """Replace what some methods give, by their names, and wake those who wait for a change.

        An exception in place of a value is raised to whoever asks for it.
        """
        with self._changed:
            self._values |= values
            self._changes += 1
            self._changed.notify_all()

    def know(self, known: Known | None, problem: str = "") -> None:
        """Replace what is known of babeld, with a new version."""
        before = self._values["babel"]
        self.set(babel=before._replace(known=known, version=before.version + 1, problem=problem))

    def babel(self) -> BabelFigures | None:
        found: BabelFigures | None = self._get("babel")
        return found

    def links(self) -> Mapping[str, LinkFigures]:
        found: Mapping[str, LinkFigures] = self._get("links")
        return found

    def addresses(self) -> Mapping[str, tuple[str, ...]]:
        found: Mapping[str, tuple[str, ...]] = self._get("addresses")
        return found

    def peers(self) -> tuple[PeerFigures, ...]:
        found: tuple[PeerFigures, ...] = self._get("peers")
        return found

    def firewall(self) -> tuple[FirewallCounter, ...] | None:
        found: tuple[FirewallCounter, ...] | None = self._get("firewall")
        return found

    def system(self) -> SystemFigures:
        found: SystemFigures = self._get("system")
        return found

    def status(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._get("status")
        return found

    def problems(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._get("problems")
        return found

    def changes(self) -> int:
        return self._changes

    def wait(self, after: int, seconds: float) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._changes > after or self._closed, seconds)
            return self._changes

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _get(self, name: str) -> Any:
        self.asked[name] += 1
        value = self._values[name]
        if isinstance(value, Exception):
            raise value
        return value
