"""The same properties with real kinds, on the fake node: what the kernel, WireGuard and babeld do to one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.address import Address
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_configuration import BabelConfiguration
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface
from intent.resources.babel_wire import daemon_key
from intent.resources.file import File
from intent.resources.gre_link import MODES, GreLink
from intent.resources.resource import Resource
from intent.resources.route import Route
from intent.resources.rule import Rule
from intent.resources.sysctl import Sysctl
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_link import UserspaceWireGuardLink, WireGuardLink
from intent.resources.wireguard_names import Endpoint, key_text
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_port import WireGuardPort
from intent.secrets import PrivateKey
from reconciler.backends.fake import FakeNode, KilledError
from reconciler.core.apply import Result
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.reconcile import Round, apply, look

REAL_KINDS = True
SOCKET = "/run/babeld.sock"
CONFIGURATION = "/etc/stellwerk/babeld.conf"
SETTINGS = settings(derandomize=True, database=None, deadline=None, max_examples=150)
FEW = settings(SETTINGS, max_examples=25)
PEERS = [key_text(bytes([number]) * 32) for number in range(1, 4)]
PREFIXES = ["2001:db8:1::/48", "2001:db8:2::/48", "10.0.0.0/8", "::/0"]


@st.composite
def tunnels(draw: st.DrawFn) -> list[Resource]:
    """GRE tunnels, no two with the same ends."""
    found: dict[object, Resource] = {}
    for name in ("gre1", "gre2", "gre3"):
        if not draw(st.booleans()):
            continue
        mode = draw(st.sampled_from(MODES))
        base = "192.0.2." if mode in MODES[:2] else "2001:db8::"
        tunnel = GreLink(
            name=name,
            mode=mode,
            local=f"{base}1",
            remote=f"{base}{draw(st.integers(2, 3))}",
            ttl=draw(st.sampled_from([None, 64, 255])),
            mtu=draw(st.sampled_from([None, 1300, 1400])),
            underlay=draw(st.sampled_from([None, "mesh0"])),
            up=draw(st.sampled_from([True, True, False])),
        )
        found.setdefault(tunnel.claims(), tunnel)
    return list(found.values())


@st.composite
def wireguards(draw: st.DrawFn) -> list[Resource]:
    """WireGuard interfaces of both sorts, with ports that are theirs alone, and peers."""
    made: list[Resource] = []
    ports = draw(st.permutations([51820, 51821, 51822]))
    for name, port in zip(("wg1", "wg2"), ports, strict=False):
        if not draw(st.booleans()):
            continue
        kind = draw(st.sampled_from([WireGuardLink, UserspaceWireGuardLink]))
        made.append(kind(name=name, mtu=draw(st.sampled_from([1374, 1420]))))
        key = PrivateKey(bytes([draw(st.integers(1, 2))]) * 32)
        made.append(WireGuardDevice(link=name, private_key=key, fwmark=draw(st.sampled_from([None, 0, 7]))))
        if draw(st.booleans()):
            made.append(WireGuardPort(link=name, port=port))
        owners = {prefix: draw(st.sampled_from([None, *PEERS])) for prefix in PREFIXES}
        for public in draw(st.lists(st.sampled_from(PEERS), unique=True)):
            made.append(
                WireGuardPeer(
                    link=name,
                    public_key=public,
                    endpoint=draw(st.sampled_from([None, Endpoint("2001:db8::9", 51820)])),
                    allowed_ips=tuple(sorted(prefix for prefix, owner in owners.items() if owner == public)),
                    persistent_keepalive=draw(st.sampled_from([None, 0, 25])),
                )
            )
    return made


@st.composite
def on_links(draw: st.DrawFn, links: Sequence[str], up: Sequence[str]) -> list[Resource]:
    """Addresses, routes, rules and parameters."""
    made: dict[object, Resource] = {}
    for link in links:
        for number in draw(st.sets(st.integers(1, 3), max_size=2)):
            address = Address(link=link, address=f"fd00:{number}::1/64")
            made[address.key] = address
    for number in draw(st.sets(st.integers(1, 4))):
        gateway = draw(st.sampled_from([None, "fe80::1"]))
        route = Route(routing_table=10, destination="::/0", source=f"2001:db8:{number}::/48", gateway=gateway)
        route = replace(route, link=draw(st.sampled_from(up)), metric=draw(st.sampled_from([1024, 512])))
        if draw(st.integers(0, 3)) == 0:
            route = replace(route, kind="unreachable", link=None, gateway=None, protocol=241)
        made[route.key] = route
    for number in draw(st.sets(st.integers(1, 3))):
        family = draw(st.sampled_from(["ipv4", "ipv6"]))
        rule = Rule(
            family="ipv4" if family == "ipv4" else "ipv6", priority=1000 + number, routing_table=10, iif="mesh0"
        )
        made[rule.key] = rule
    if draw(st.booleans()):
        every = Sysctl(name="net/ipv6/conf/all/forwarding", value="1")
        made[every.key] = every
        for link in links:
            own = Sysctl(name=f"net/ipv6/conf/{link}/accept_ra", value=draw(st.sampled_from("02")))
            made[own.key] = own
    return list(made.values())


@st.composite
def babels(draw: st.DrawFn, links: Sequence[str], routes: Sequence[Route]) -> list[Resource]:
    """Perhaps babeld on some of the links, and what it announces."""
    if not draw(st.booleans()):
        return []
    own = BabelConfiguration(table=draw(st.sampled_from([10, 10, 11])))
    file = File(CONFIGURATION, own.render())
    made: list[Resource] = [file, BabelDaemon(SOCKET, CONFIGURATION, ("systemctl", "restart", "babeld"))]
    for link in draw(st.lists(st.sampled_from(links), unique=True, max_size=3)):
        made.append(BabelInterface(link, SOCKET, (("type", draw(st.sampled_from(["tunnel", "wired"]))),)))
    announced = {(r.destination, r.source): r for r in routes if r.protocol == 242 and own.table == 10}
    made += [BabelAnnouncement(*place, SOCKET, route.key) for place, route in announced.items()]
    return made


@st.composite
def states(draw: st.DrawFn) -> list[Resource]:
    """A desired state of a whole node."""
    made = draw(tunnels()) + draw(wireguards())
    names = [
        "mesh0",
        *(link.name for link in made if isinstance(link, GreLink | WireGuardLink | UserspaceWireGuardLink)),
    ]
    down = {link.name for link in made if isinstance(link, GreLink) and not link.up}
    up = [name for name in names if name not in down]
    # A link that is down, or whose MTU is too small, keeps no IPv6.
    made += draw(on_links(up, up))
    routes = [route for route in made if isinstance(route, Route)]
    return made + draw(babels(up, routes))


class Node:
    """A fake node with foreign objects of every kind."""

    def __init__(self, version: str = "babeld-1.14") -> None:
        self.fake = FakeNode(babeld_version=version)
        self.store = InventoryInMemory()
        kernel = self.fake.kernel
        kernel.add_link("mesh0", "veth", up=True)
        kernel.add_link("theirs", "wireguard", up=True)
        kernel.add_link("br0", "bridge", up=True)
        foreign: list[Resource] = [
            Route(routing_table=10, destination="2001:db8:ffff::/48", link="br0", protocol=4),
            Route(routing_table=10, destination="::/0", source="2001:db8:fffe::/48", link="mesh0", protocol=77),
            Rule(family="ipv6", priority=1001, routing_table=10, source="2001:db8::/32", protocol=4),
            WireGuardPeer(link="theirs", public_key=PEERS[0], allowed_ips=("::/0",)),
        ]
        requests = [request for resource in foreign for request in resource.create()]
        assert self.fake.send(requests) == [None] * len(requests)
        self.fake.files.put("/etc/babeld.conf", b"interface br0\n")
        self.fake.babelds.start(SOCKET, settled=frozenset({"br0"}))

    def foreign(self) -> set[str]:
        """Return the lines of what we never touch; forwarding for all links is set on theirs too, by the kernel."""
        marks = ("2001:db8:fff", "2001:db8::/32", "theirs", "br0", "/etc/babeld.conf", "link mesh0 ")
        lines = (line for line in self.fake.describe() if any(mark in line for mark in marks))
        return {line for line in lines if "/forwarding" not in line}

    def lasting(self) -> list[str]:
        """Return the lines of what is there, without what depends on the order in which links were made."""
        passing = ("fe80::ff:", "wireguard ", "/forwarding")
        return [line for line in self.fake.describe() if not any(mark in line for mark in passing)]

    def apply(self, desired: Sequence[Resource]) -> Round:
        return apply(look(desired, [self.fake], self.store), desired, [self.fake], self.store)

    def become(self, desired: Sequence[Resource]) -> None:
        """Apply, and see that everything was done and nothing is left to do."""
        done = self.apply(desired)
        if not any(isinstance(one, BabelDaemon) for one in desired) and done.remaining.plan.pending:
            # The file stays as long as babeld is started with it, which the operator changes.
            self.fake.babelds.start(SOCKET)
            done = self.apply(desired)
        assert [outcome.error for outcome in done.outcomes if outcome.result is not Result.DONE] == []
        assert [step.resource.describe() for step in done.remaining.plan.operations] == []
        assert done.remaining.plan.empty
        assert not done.failed


@SETTINGS
@given(states(), states())
def test_the_desired_state_is_reached_and_nothing_foreign_changes(
    before: list[Resource], after: list[Resource]
) -> None:
    node = Node()
    untouched, foreign = node.fake.describe(), node.foreign()
    for desired in (before, after, []):
        node.become(desired)
        assert node.foreign() == foreign
    # babeld keeps running, and knows the names of links that are gone until it is restarted.
    left = [line for line in node.fake.describe() if not line.startswith("babel")]
    assert left == [line for line in untouched if not line.startswith("babel")]
    assert node.store.load().entries == {}


@FEW
@given(states(), states())
def test_from_every_half_way_state_the_end_is_reached(before: list[Resource], after: list[Resource]) -> None:
    whole = Node()
    whole.become(before)
    start = len(whole.fake.requests_seen)
    whole.apply(after)
    for count in range(len(whole.fake.requests_seen) - start):
        node = Node()
        node.become(before)
        node.fake.die_after(count)
        with pytest.raises(KilledError):
            node.apply(after)
        node.fake.recover()
        node.become(after)
        node.become([])
        assert node.foreign() == Node().foreign()


@SETTINGS
@given(states(), states(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_given_does_not_matter(
    before: list[Resource], after: list[Resource], shuffle: object
) -> None:
    node, other = Node(), Node()
    node.become(before)
    node.become(after)
    for state in (before, after):
        backwards = list(state)
        mix: Callable[[list[Resource]], None] = shuffle.shuffle  # type: ignore[attr-defined]
        mix(backwards)
        other.become(backwards)
    assert other.lasting() == node.lasting()


@FEW
@given(states(), states())
def test_an_old_babeld_is_never_told_to_flush(before: list[Resource], after: list[Resource]) -> None:
    node = Node("babeld-1.12.1")
    for desired in (before, after):
        # An interface can stay until babeld is restarted; everything else is done.
        assert not node.apply(desired).failed
    assert not [request for request in node.fake.requests_seen if type(request).__name__ == "FlushBabelInterface"]


def test_a_renamed_tunnel_takes_its_route_along() -> None:
    old = GreLink(name="old", mode="ip6gre", local="2001:db8::1", remote="2001:db8::2")
    route = Route(routing_table=10, destination="::/0", source="2001:db8:1::/48", link="old")
    node = Node()
    node.become([old, route])
    node.become([replace(old, name="new"), replace(route, link="new")])


def test_a_parameter_that_is_no_longer_ours_does_not_hold_its_link() -> None:
    tunnel = GreLink(name="gre1", mode="ip6gre", local="2001:db8::1", remote="2001:db8::2")
    parameter = Sysctl(name="net/ipv6/conf/gre1/accept_ra", value="0")
    node = Node()
    node.become([tunnel, parameter])
    node.become([replace(tunnel, mode="ip6gretap"), parameter])
    node.become([tunnel])
    node.become([])


def test_ports_are_swapped_without_a_peer_being_touched() -> None:
    node = Node()
    first: list[Resource] = []
    for number, name in enumerate(("wg1", "wg2")):
        first += [WireGuardLink(name=name), WireGuardDevice(link=name, private_key=PrivateKey(bytes([number]) * 32))]
        first += [WireGuardPort(link=name, port=51820 + number)]
        first += [WireGuardPeer(link=name, public_key=PEERS[0], endpoint=Endpoint("2001:db8::9", 51820))]
    node.become(first)
    node.fake.wireguard.shake_hands("wg1", PEERS[0])
    swapped = [replace(one, port=51821 - one.port + 51820) if isinstance(one, WireGuardPort) else one for one in first]
    start = len(node.fake.requests_seen)
    node.become(swapped)
    assert {type(request).__name__ for request in node.fake.requests_seen[start:]} == {"SetDevice"}
    assert node.fake.wireguard.devices["wg1"].peers[PEERS[0]].last_handshake


def test_a_hindered_babeld_holds_back_what_it_would_have_to_forget() -> None:
    file = File(CONFIGURATION, BabelConfiguration(table=10).render())
    daemon = BabelDaemon(SOCKET, CONFIGURATION)
    old = [file, replace(daemon, restart_command=("restart",)), BabelInterface("mesh0", SOCKET, (("type", "wired"),))]
    node = Node("babeld-1.12.1")
    node.become(old)
    new = [file, daemon, BabelInterface("mesh0", SOCKET, (("type", "tunnel"),))]
    seen = look(new, [node.fake], node.store)
    assert seen.plan.operations == ()
    assert {str(pending.resource.key.space) for pending in seen.plan.pending} == {"babeld", "babel interface"}
    assert daemon_key(SOCKET) in {pending.resource.key for pending in seen.plan.pending}
    before = node.fake.describe()
    node.apply(new)
    assert node.fake.describe() == before
