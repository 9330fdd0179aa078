"""Rows of live tables as we decode them and as pyroute2 does, which shares no code with us."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from pyroute2 import IPRoute  # type: ignore[import-untyped]

from intent.resources.address import Address
from intent.resources.link import ForeignLink, Names, key
from intent.resources.resource import Resource
from intent.resources.route import RTN_TYPES, Route
from intent.resources.rule import ACTIONS, Rule
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.core.backend import Dump
from tests.namespaces import Namespace

Message = Mapping[str, Any]

pytestmark = pytest.mark.full_too

TOPOLOGY = (
    *("link add name br0 type bridge", "link add name va type veth peer name vb", "link add name vc type veth peer vd"),
    *("link set va master br0", "link set br0 mtu 1400", "link set vc alias uplink", "link set vd group 7"),
    *("link set br0 up", "link set va up", "link set vb up", "link set vc up", "link set vd up"),
    *(
        "address add 2001:db8::1/64 dev vb nodad",
        "address add 192.0.2.1/24 brd + dev vb",
        "address add 192.0.2.2/24 dev vb",
    ),
    *("address add 198.51.100.1 peer 198.51.100.2/32 dev vc", "address add fd00::1 peer fd00::2/128 dev vc nodad"),
    *("address add 2001:db8:7::1/64 dev vc valid_lft 1000 preferred_lft 500 nodad", "address add fe80::77/64 dev vc"),
    "address add 10.0.0.1/8 dev vd scope link",
)
ROUTES = (
    *("2001:db8:10::/48 dev vb", "2001:db8:11::/48 via 2001:db8::2 dev vb", "default via fe80::1 dev vb metric 5"),
    *("default from 2001:db8:42::/56 dev vb table 10 proto 242", "2001:db8:1::/48 from 2001:db8:2::/48 dev vb"),
    *("blackhole 2001:db8:12::/48", "prohibit 2001:db8:13::/48", "unreachable 2001:db8:14::/48 metric 77"),
    *("throw 2001:db8:15::/48 table 11", "unreachable default from 2001:db8:43::/56 table 10 proto 241"),
    *("2001:db8:16::/48 nexthop via 2001:db8::2 dev vb weight 3 nexthop via fe80::9 dev vc",),
    *("2001:db8:17::/48 dev vb table 70000", "2001:db8:18::/48 via 2001:db8:ffff::1 dev vb onlink proto static"),
    *("2001:db8:19::1 dev vb expires 1000", "2001:db8:1a::/48 dev vb mtu 1300 pref high proto 16"),
)
RULES = (
    *(
        "priority 100 lookup 10",
        "priority 101 from 2001:db8::/32 lookup 10",
        "priority 102 to 2001:db8::/32 lookup 70000",
    ),
    *("priority 103 iif vb lookup 10", "priority 104 iif absent unreachable", "priority 105 blackhole"),
    *("priority 106 prohibit", "priority 107 lookup 10 protocol 242", "priority 108 fwmark 7/255 lookup 10"),
    *("priority 109 lookup main suppress_prefixlength 0", "priority 110 oif vb lookup 10", "priority 111 goto 32766"),
    *(
        "priority 112 ipproto udp dport 53 lookup 10",
        "priority 113 dsfield 0x10 lookup 10",
        "priority 114 not iif vb lookup 10",
    ),
    *("priority 115 uidrange 1-2 lookup 10", "priority 116 from all lookup 10 tun_id 7"),
)


@pytest.fixture
def filled(namespace: Namespace) -> Namespace:
    """A namespace with something of everything."""
    for words in TOPOLOGY:
        namespace.ip(*words.split())
    for words in ROUTES:
        namespace.ip("-6", "route", "add", *words.split())
    namespace.ip("-6", "route", "append", *["2001:db8:11::/48", "via", "fe80::5", "dev", "vc"])
    for words in RULES:
        namespace.ip("-6", "rule", "add", *words.split())
    for words in ("priority 100 from 10.0.0.0/8 lookup 10", "priority 101 iif vb unreachable"):
        namespace.ip("-4", "rule", "add", *words.split())
    namespace.run(mark_an_address)
    return namespace


def mark_an_address() -> None:
    # Debian 12's ip(8) cannot set the protocol of an address.
    backend = Rtnetlink()
    assert backend.send(Address(link="lo", address="fd00::3/128").create()) == [None]
    backend.close()


def decoded(namespace: Namespace, table: str, decode: Callable[[bytes, Names], Resource | None]) -> list[Resource]:
    def look() -> list[Resource]:
        backend = Rtnetlink()
        dump = backend.dump({table: None})[table]
        assert isinstance(dump, Dump), dump
        found = [decode(row, dump.context) for row in dump.rows]
        backend.close()
        return [resource for resource in found if resource is not None]

    return namespace.run(look)


def theirs(namespace: Namespace, ask: Callable[[IPRoute], Sequence[Message]]) -> tuple[list[Message], dict[int, str]]:
    def look() -> tuple[list[Message], dict[int, str]]:
        with IPRoute() as route:
            names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in route.get_links()}
            return list(ask(route)), names

    return namespace.run(look)


def attribute(message: Message, name: str, default: Any = None) -> Any:
    found: Any = message.get_attr(name)  # type: ignore[attr-defined]
    return default if found is None else found


def prefix(message: Message, name: str, length: str) -> str:
    return f"{ipaddress.ip_address(attribute(message, name, '::'))}/{message[length]}"


def route_of(message: Message, names: Mapping[int, str]) -> Route:
    hops = attribute(message, "RTA_MULTIPATH", [])
    unicast = message["type"] == 1
    way = hops[0] if hops else message
    index = way["oif"] if hops else attribute(message, "RTA_OIF")
    return Route(
        routing_table=attribute(message, "RTA_TABLE"),
        destination=prefix(message, "RTA_DST", "dst_len"),
        source=prefix(message, "RTA_SRC", "src_len"),
        metric=attribute(message, "RTA_PRIORITY", 0),
        kind=RTN_TYPES[message["type"]],
        link=names[index] if unicast else None,
        gateway=attribute(way, "RTA_GATEWAY"),
        protocol=message["proto"],
        next_hops=len(hops) or 1,
    )


def test_routes(filled: Namespace) -> None:
    messages, names = theirs(filled, lambda route: list(route.get_routes(family=10)))
    ours = decoded(filled, "route", Route.decode)
    assert sorted(map(repr, ours)) == sorted(repr(route_of(message, names)) for message in messages)
    kinds = {route.kind for route in ours if isinstance(route, Route)}
    assert kinds >= {"unicast", "blackhole", "prohibit", "unreachable", "throw", "local", "multicast"}
    assert len(ours) > len(ROUTES)


def address_of(message: Message, names: Mapping[int, str]) -> Address:
    own = attribute(message, "IFA_LOCAL", attribute(message, "IFA_ADDRESS"))
    return Address(
        link=names[message["index"]],
        address=f"{ipaddress.ip_address(own)}/{message['prefixlen']}",
        protocol=attribute(message, "IFA_PROTO", 0),
        permanent=bool(attribute(message, "IFA_FLAGS", message["flags"]) & 0x80),
        secondary=message["family"] == 2 and bool(attribute(message, "IFA_FLAGS", message["flags"]) & 0x01),
    )


def test_addresses(filled: Namespace) -> None:
    messages, names = theirs(filled, lambda route: list(route.get_addr()))
    ours = decoded(filled, "address", Address.decode)
    assert sorted(map(repr, ours)) == sorted(repr(address_of(message, names)) for message in messages)
    assert {address.protocol for address in ours if isinstance(address, Address)} >= {0, 242}
    assert {address.permanent for address in ours if isinstance(address, Address)} == {True, False}


def rule_of(message: Message) -> tuple[Any, ...]:
    names = ("FRA_PRIORITY", "FRA_SRC", "FRA_DST", "FRA_IIFNAME", "FRA_PROTOCOL")
    priority, source, destination, iif, protocol = (attribute(message, name) for name in names)
    return (
        "ipv4" if message["family"] == 2 else "ipv6",
        priority or 0,
        ACTIONS[message["action"]],
        attribute(message, "FRA_TABLE") or None,
        source and f"{ipaddress.ip_address(source)}/{message['src_len']}",
        destination and f"{ipaddress.ip_address(destination)}/{message['dst_len']}",
        iif,
        protocol,
    )


def test_rules(filled: Namespace) -> None:
    messages, _ = theirs(filled, lambda route: [rule for family in (2, 10) for rule in route.get_rules(family=family)])
    ours = [rule for rule in decoded(filled, "rule", Rule.decode) if isinstance(rule, Rule)]
    said = [(r.family, r.priority, r.action, r.routing_table, r.source, r.destination, r.iif, r.protocol) for r in ours]
    assert sorted(map(repr, said)) == sorted(repr(rule_of(message)) for message in messages)
    assert len({rule.key for rule in ours}) == len(ours)


def test_a_rule_with_a_selector_of_which_we_know_nothing_never_looks_like_ours(filled: Namespace) -> None:
    strange = [rule for rule in decoded(filled, "rule", Rule.decode) if isinstance(rule, Rule) and rule.priority > 107]
    plain = {rule.priority for rule in strange if not rule.other}
    # Of those above 107, the kernel's own, and the one that suppresses a default route.
    assert plain == {109, 32766, 32767}


def link_of(message: Message, names: Mapping[int, str]) -> tuple[Any, ...]:
    info = attribute(message, "IFLA_LINKINFO")
    foreign = attribute(message, "IFLA_LINK_NETNSID") is not None
    under = [None if foreign else attribute(message, "IFLA_LINK"), attribute(message, "IFLA_MASTER")]
    name = attribute(message, "IFLA_IFNAME")
    return (
        name,
        attribute(message, "IFLA_MTU"),
        bool(message["flags"] & 1),
        (info.get_attr("IFLA_INFO_KIND") or "") if info is not None else "",
        tuple(names[index] for index in under if index and names[index] != name),
    )


def test_links(filled: Namespace) -> None:
    messages, names = theirs(filled, lambda route: list(route.get_links()))
    ours = [link for link in decoded(filled, "link", ForeignLink.decode) if isinstance(link, ForeignLink)]
    said = [(link.name, link.mtu, link.up, link.sort, link.stands_on) for link in ours]
    assert sorted(map(repr, said)) == sorted(repr(link_of(message, names)) for message in messages)
    assert {link.key: link.stands_on for link in ours}[key("va")] == ("vb", "br0")
    assert not any(link.ours for link in ours)
