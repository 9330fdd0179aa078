"""What is told: every request, every field, as those who read it need it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from intent.statistics import About, Statistics
from reconciler.backends.babel_table import Route, Xroute
from reconciler.services.statistics.as_json import as_json
from tests.figures import BABEL, FALLBACK_DEFAULT, INSTALLED_DEFAULT, KNOWN, NEIGHBOURS, PEERS, STATUS
from tests.pure.respondd import as_yanic
from tests.pure.respondd.asked import ALL, OWN, Asked

NO_EXIT = KNOWN._replace(xroutes=KNOWN.xroutes[:1])
CLIENT: dict[str, Any] = {"status": STATUS | {"offers": []}, "babel": BABEL._replace(known=NO_EXIT)}
"""A node that is no exit."""


def test_all_sections_at_once() -> None:
    told = Asked().told()
    assert sorted(told) == ["neighbours", "nodeinfo", "statistics"]
    assert {section["node_id"] for section in told.values()} == {"02000000000a"}
    nodeinfo, statistics = told["nodeinfo"], told["statistics"]
    assert nodeinfo["hostname"] == "exit-berlin-7"
    assert nodeinfo["owner"] == {"contact": "noc@example.org"}
    assert nodeinfo["system"] == {"site_code": "berlin", "domain_code": "mitte"}
    assert nodeinfo["location"] == {"latitude": 52.520815, "longitude": 13.409419, "altitude": 35.0}
    assert nodeinfo["hardware"] == {"model": "PC Engines APU2", "nproc": 2}
    assert nodeinfo["software"]["babeld"] == {"version": "babeld-1.12.1"}
    assert nodeinfo["software"]["wireguard"] == {"enabled": True}
    assert nodeinfo["software"]["firmware"]["base"].startswith("Linux ")
    assert nodeinfo["vpn"] is True
    assert statistics["memory"] == {
        **{"total": 131072, "free": 20480, "buffers": 1024, "cached": 40960, "available": 65536}
    }
    assert statistics["uptime"] == 86_412.25
    assert statistics["loadavg"] == 0.42
    assert statistics["processes"] == {"total": 97, "running": 2}
    assert statistics["traffic"]["rx"] == {"bytes": 132_456_789, "packets": 243_567, "dropped": 2}
    assert statistics["traffic"]["tx"] == {"bytes": 106_765_432, "packets": 131_456, "dropped": 10}
    assert statistics["stat"]["cpu"]["idle"] == 90_000


def test_the_addresses_of_the_mesh_are_told_and_no_others() -> None:
    network = Asked().told()["nodeinfo"]["network"]
    assert network["mac"] == "02:00:00:00:00:0a"
    assert network["addresses"] == ["fd00:6d65::a", "10.0.0.1", "fd00:6d65:0:1::a"], "not those of the provider's link"
    assert network["mesh"]["babel"]["interfaces"] == {"wireless": [], "tunnel": ["fe80::1:a"], "other": ["fe80::a"]}


def test_neighbours_with_their_costs() -> None:
    babel = Asked().told(b"GET neighbours")["neighbours"]["babel"]
    assert babel["mesh0"] == {
        "protocol": "babel",
        "ll-addr": "fe80::a",
        "neighbours": {
            "fe80::b": {"rxcost": 96, "txcost": 96, "cost": 96, "reachability": 0xFFFF},
            "fe80::c": {"rxcost": 128, "txcost": 256, "cost": 289, "reachability": 0xFFDE},
        },
    }
    assert babel["wg-mesh"]["neighbours"]["fe80::d"]["reachability"] == 0xFF00, "it says hello to us alone"


def test_yanic_draws_the_links() -> None:
    here, there = Asked(), Asked()
    there.figures.node_id = "02000000000b"
    there.figures.set(addresses={"mesh0": ("fe80::b",)})
    at_a = NEIGHBOURS[0]._replace(address="fe80::a")
    own = KNOWN.interfaces[0]._replace(ipv6="fe80::b")
    router_id = "02:00:00:ff:fe:00:00:0b"
    there.figures.know(KNOWN._replace(interfaces=(own,), neighbours=(at_a,), router_id=router_id))
    assert as_yanic.links([here.told(), there.told()]) == {
        ("02000000000a", "02000000000b", "fe80::a", 0.9985),
        ("02000000000b", "02000000000a", "fe80::b", 0.9985),
    }


@pytest.mark.parametrize(
    ("request_", "sections"),
    [
        (b"GET nodeinfo", ["nodeinfo"]),
        (b"GET statistics nodeinfo", ["nodeinfo", "statistics"]),
        (b"GET nodeinfo unheard-of nodeinfo", ["nodeinfo"]),
        (b"GET  nodeinfo  ", ["nodeinfo"]),
        (b"GET nodeinfo\n", []),
        (b"GET unheard-of", []),
        (b"GET ", []),
        (b"GET nodeinfo\0statistics", ["nodeinfo"]),
        (b"GET " + b"nodeinfo " * 27 + b"foo", ["nodeinfo"]),
    ],
)
def test_requests_for_several(request_: bytes, sections: list[str]) -> None:
    assert sorted(Asked().told(request_)) == sections


@pytest.mark.parametrize("name", ["nodeinfo", "statistics", "neighbours"])
def test_the_old_request_for_one(name: str) -> None:
    asked = Asked()
    assert asked.plain(name) == asked.told(b"GET " + name.encode())[name]


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\0",
        b"nodeinfo\n",
        b"nodeinfo ",
        b"NODEINFO",
        b"GET",
        b"GETnodeinfo",
        b"get nodeinfo",
        b"GET nodeinfo " * 20,
    ],
)
def test_what_has_no_answer(request_: bytes) -> None:
    asked = Asked()
    assert asked.ask(request_) is None
    assert asked.dropped() == {"malformed": 1}


def test_no_stale_neighbour_is_told() -> None:
    asked = Asked(**CLIENT)
    asked.figures.know(None, problem="babeld does not answer")
    told = asked.told()
    assert told["neighbours"] == {"node_id": "02000000000a", "babel": {}}
    assert "babeld" not in told["nodeinfo"]["software"]
    assert not {"gateway", "gateway6", "gateway_nexthop"} & told["statistics"].keys()


def test_without_babel_daemon_and_wireguard() -> None:
    asked = Asked(Statistics(node="a"), babel=None, status=None, peers=(), links={}, addresses={})
    told = asked.told()
    assert told["neighbours"]["babel"] == {}
    assert told["nodeinfo"]["vpn"] is False
    assert "mesh_vpn" not in told["statistics"]
    assert not {"owner", "location"} & told["nodeinfo"].keys()


def test_a_gateway_without_a_daemon_is_known_by_its_announcement() -> None:
    assert Asked(status=None).told()["nodeinfo"]["vpn"] is True
    asked = Asked(status=None)
    asked.figures.know(KNOWN._replace(xroutes=KNOWN.xroutes[:1]))
    assert asked.told()["nodeinfo"]["vpn"] is False


def test_an_exit_that_is_withdrawn_is_no_gateway() -> None:
    asked = Asked(status=STATUS | {"offers": STATUS["offers"][1:]})
    retracted = KNOWN.xroutes[1]._replace(source="2001:db8:43::/56", metric=65534)
    asked.figures.know(KNOWN._replace(xroutes=(KNOWN.xroutes[0], retracted)))
    told = asked.told()
    assert told["nodeinfo"]["vpn"] is False
    assert told["statistics"]["gateway6"] == "fe80::b"


def test_an_exit_is_its_own_gateway() -> None:
    told = Asked().told()
    assert told["statistics"]["gateway6"] in as_yanic.addresses(told)
    assert "gateway_nexthop" not in told["statistics"]


def test_the_gateway_is_the_neighbour_that_is_the_exit() -> None:
    statistics = Asked(**CLIENT).told()["statistics"]
    assert statistics["gateway6"] == statistics["gateway"] == statistics["gateway_nexthop"] == "fe80::b"


def test_an_exit_far_away_is_found_by_its_router_id() -> None:
    far = INSTALLED_DEFAULT._replace(router_id="a2:17:00:ff:fe:5e:10:0e", metric=385, refmetric=96, via="fe80::c")
    asked = Asked(**CLIENT)
    asked.figures.know(NO_EXIT._replace(defaults=(far,)))
    statistics = asked.told()["statistics"]
    assert statistics["gateway_nexthop"] == "fe80::c"

    exit_ = Asked()
    exit_.figures.node_id = "02000000000e"
    exit_.figures.know(KNOWN._replace(router_id="a2:17:00:ff:fe:5e:10:0e"))
    assert statistics["gateway6"] in as_yanic.addresses(exit_.told()), "so that maps know the node"


def test_of_defaults_for_several_sources_the_one_of_the_own_addresses() -> None:
    def default(source: str, via: str, installed: bool = True) -> Route:
        return FALLBACK_DEFAULT._replace(source=source, via=via, refmetric=0, installed=installed)

    asked = Asked(**CLIENT, addresses={"clients": ("2001:db8:77:5::1",), "mesh0": ("fe80::a",)})
    elsewhere = default("2001:db8:42::/48", "fe80::1")
    ours = default("2001:db8:77::/48", "fe80::2")
    any_source = default("::/0", "fe80::3")
    for defaults, expected in (
        ((elsewhere, any_source, ours), "fe80::2"),
        ((elsewhere, any_source), "fe80::3"),
        ((elsewhere, ours._replace(source="2001:db8:77:5::/64", via="fe80::4"), ours), "fe80::4"),
    ):
        asked.figures.know(NO_EXIT._replace(defaults=defaults, xroutes=(Xroute("2001:db8:77:5::/64", "::/0", 0),)))
        asked.now += 10
        statistics = asked.told()["statistics"]
        assert (statistics["gateway6"], statistics["gateway_nexthop"]) == (expected, expected)


def test_the_gateway_and_the_neighbour_before_it_are_of_one_way() -> None:
    four = INSTALLED_DEFAULT._replace(destination="0.0.0.0/0", source="0.0.0.0/0", refmetric=0, via="fe80::4")
    six = INSTALLED_DEFAULT._replace(refmetric=0, via="fe80::6")
    asked = Asked(**CLIENT)
    for defaults, gateway, gateway6 in (((four, six), "fe80::4", "fe80::6"), ((six,), "fe80::6", "fe80::6")):
        asked.figures.know(NO_EXIT._replace(defaults=defaults))
        asked.now += 10
        told = asked.told()["statistics"]
        assert (told["gateway"], told["gateway_nexthop"], told["gateway6"]) == (gateway, gateway, gateway6)
    asked.figures.know(NO_EXIT._replace(defaults=(four,)))
    asked.now += 10
    told = asked.told()["statistics"]
    assert (told["gateway"], told["gateway_nexthop"], "gateway6" in told) == ("fe80::4", "fe80::4", False)


def test_the_same_way_out_is_told_as_elsewhere() -> None:
    """A node with an address of the mesh and one of its own network, which leaves by another exit."""
    asked = Asked(**CLIENT, addresses={"lo": ("fd00:6d65::a",), "clients": ("2001:db8:77:5::1",)})
    ours = FALLBACK_DEFAULT._replace(source="2001:db8:77::/48", via="fe80::2", refmetric=0, installed=True)
    asked.figures.know(
        NO_EXIT._replace(
            defaults=(ours._replace(source="::/0", via="fe80::3"), ours),
            xroutes=(Xroute("fd00:6d65::a/128", "::/0", 0), Xroute("2001:db8:77:5::/64", "::/0", 0)),
        )
    )
    told = asked.told()
    assert told["statistics"]["gateway6"] == "fe80::2"
    assert as_json(asked.figures)["ways_out"]["ipv6"]["next_hop"] == "fe80::2"
    assert told["nodeinfo"]["network"]["addresses"] == ["fd00:6d65::a", "2001:db8:77:5::1"]


def test_wireguard_peers() -> None:
    peers = Asked().told()["statistics"]["mesh_vpn"]["groups"]["wg-mesh"]["peers"]
    assert peers == {
        PEERS[0].public_key: {"established": 17.5},
        PEERS[1].public_key: None,
        PEERS[2].public_key: None,
    }


def test_names_of_any_letters_are_told_as_they_are() -> None:
    about = About(contact='Zoë <"\\\n\u2028>', site="\ud83d\ude00")
    asked = Asked(replace(Statistics(node="grün"), about=about))
    nodeinfo = asked.plain("nodeinfo")
    assert nodeinfo["hostname"] == "grün"
    assert nodeinfo["owner"]["contact"] == 'Zoë <"\\\n\u2028>'


def test_the_json_is_compact() -> None:
    asked = Asked()
    answer = asked.ask(b"statistics", to=OWN)
    assert answer is not None
    assert answer.decode() == json.dumps(json.loads(answer), separators=(",", ":"))
    assert asked.ask(ALL) != answer
