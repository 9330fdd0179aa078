"""What the metrics say, by the figures that they are made of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from intent.statistics import MeshInterface
from reconciler.backends.babel_table import Neighbour, Route, RouteCounts
from reconciler.core.errors import UnreachableError
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.prometheus.babel import MOST_NEIGHBOURS
from reconciler.services.statistics.prometheus.collector import declared
from reconciler.services.statistics.prometheus.metrics import LONGEST_VALUE
from reconciler.services.statistics.prometheus.node import MOST_OFFENDERS
from tests.figures import BABEL, FIREWALL, KNOWN, PEERS, SETTINGS, STATUS, FakeFigures
from tests.scraped import listening, scraped


def test_every_metric_says_what_it_is_and_those_of_the_node_are_all_declared() -> None:
    told = scraped(FakeFigures(settings=listening("::1", routes=True)))
    known = {metric.name for metric in declared()}
    for family in told.families:
        assert family.documentation, family.name
        assert family.type in ("gauge", "counter"), family.name
    assert {name for name in told.names if not name.startswith(("process_", "stellwerk_scrapes"))} <= known


def test_everything_declared_is_said_of_a_node_that_has_everything() -> None:
    route = Route("fd00::/64", "::/0", True, "02:00:00:ff:fe:00:00:0b", 96, 0, "fe80::b", "mesh0")
    babel = BABEL._replace(known=KNOWN._replace(routes=(route,)))
    status = STATUS | {"services": [{"name": "respondd", "state": "running", "problem": ""}]}
    told = scraped(FakeFigures(settings=listening("::1", routes=True), babel=babel, status=status))
    assert {metric.name for metric in declared()} <= told.names


def test_names_keep_the_rules_of_prometheus() -> None:
    for metric in declared():
        assert metric.name.startswith(("stellwerk_", "babel_", "wireguard_")), metric.name
        assert metric.name.endswith("_total") == (metric.type == "counter"), metric.name
        assert metric.help.endswith("."), metric.name
        assert not {"le", "quantile", "job", "instance", "__name__"} & set(metric.labels), metric.name


def test_info_says_which_node_it_is() -> None:
    (found,) = scraped(FakeFigures()).labels("stellwerk_info")
    assert found["node"] == "exit-berlin-7"
    assert found["node_id"] == "02000000000a"
    assert found["version"]


def test_neighbours() -> None:
    told = scraped(FakeFigures())
    assert told.value("babel_neighbours") == 3
    where = {"address": "fe80::c", "interface": "mesh0"}
    assert told.value("babel_neighbour_rxcost", **where) == 128
    assert told.value("babel_neighbour_txcost", **where) == 256
    assert told.value("babel_neighbour_cost", **where) == 289
    assert told.value("babel_neighbour_rtt_seconds", **where) == 0.012345
    assert told.value("babel_neighbour_reachability_ratio", **where) == 14 / 16
    # Where the round trip is not measured nothing is said of it: 0 would be the best there is.
    assert not told.all("babel_neighbour_rtt_seconds", address="fe80::b")
    # Only unicast hellos are heard of this one.
    assert told.value("babel_neighbour_reachability_ratio", address="fe80::d") == 8 / 16


def test_routes_are_counted_by_origin_and_state() -> None:
    told = scraped(FakeFigures())
    assert told.value("babel_routes", origin="neighbour", state="installed") == 58
    assert told.value("babel_routes", origin="neighbour", state="fallback") == 61
    assert told.value("babel_routes", origin="neighbour", state="unreachable") == 3
    assert told.value("babel_routes", origin="local", state="announced") == 2
    assert told.value("babel_default_routes", family="ipv6", state="installed") == 1
    assert told.value("babel_default_routes", family="ipv4", state="installed") == 0
    assert told.value("babel_routers") == 42


def test_routes_that_are_not_kept_are_not_none() -> None:
    figures = FakeFigures(babel=BABEL._replace(known=KNOWN._replace(counts=None, routers=None)))
    told = scraped(figures)
    assert not told.all("babel_routes", origin="neighbour")
    assert "babel_routers" not in told.names
    assert told.value("babel_up") == 1


def test_without_fresh_knowledge_babel_has_no_number_but_that_it_is_down() -> None:
    figures = FakeFigures()
    figures.know(None, "babeld does not answer")
    told = scraped(figures)
    assert told.value("babel_up") == 0
    assert {name for name in told.names if name.startswith("babel_")} == {"babel_up"}
    assert told.value("stellwerk_babeld_connections_lost_total") == 1
    assert "stellwerk_babeld_age_seconds" not in told.names


def test_what_is_gone_has_no_series_any_more() -> None:
    figures = FakeFigures()
    assert scraped(figures).all("babel_neighbour_cost", address="fe80::b")
    figures.know(KNOWN._replace(neighbours=KNOWN.neighbours[1:]))
    figures.set(peers=PEERS[1:], status=None, links={})
    told = scraped(figures)
    assert not told.all("babel_neighbour_cost", address="fe80::b")
    assert not told.all("wireguard_sent_bytes_total", public_key=PEERS[0].public_key)
    assert "stellwerk_sync" not in told.names
    assert "stellwerk_link_receive_bytes_total" not in told.names


def test_where_no_babeld_is_followed_nothing_is_said_of_it() -> None:
    told = scraped(FakeFigures(babel=None))
    assert not [name for name in told.names if name.startswith(("babel_", "stellwerk_babeld_"))]


def test_how_babeld_is_followed() -> None:
    told = scraped(FakeFigures(babel=BABEL._replace(following="dump", age_seconds=7.5, dumps_total=9)))
    assert told.value("stellwerk_babeld_following", mode="dump") == 1
    assert told.value("stellwerk_babeld_following", mode="monitor") == 0
    assert told.value("stellwerk_babeld_age_seconds") == 7.5
    assert told.value("stellwerk_babeld_dumps_total") == 9
    assert told.value("stellwerk_babeld_lines_total") == 4711


@pytest.fixture
def with_a_route() -> FakeFigures:
    route = Route("fd00::/64", "::/0", True, "02:00:00:ff:fe:00:00:0b", 96, 32, "fe80::b", "mesh0")
    return FakeFigures(babel=BABEL._replace(known=KNOWN._replace(routes=(route,))))


def test_a_route_has_series_only_where_that_is_asked_for(with_a_route: FakeFigures) -> None:
    assert "babel_route_metric" not in scraped(with_a_route).names
    with_a_route.settings = listening("::1", routes=True)
    told = scraped(with_a_route)
    assert told.value("babel_route_metric", prefix="fd00::/64", via="fe80::b") == 96
    assert told.value("babel_route_refmetric", prefix="fd00::/64") == 32
    assert told.value("babel_route_installed", prefix="fd00::/64") == 1
    assert told.value("babel_xroute_metric", prefix="::/0", src_prefix="2001:db8:42::/56") == 0


class Untouchable(tuple[Route, ...]):
    """Routes that nobody may look at."""

    def __iter__(self) -> Iterator[Route]:
        raise AssertionError("the routes were walked through")

    __len__ = __getitem__ = None  # type: ignore[assignment]


def test_without_series_of_routes_a_scrape_costs_the_same_whatever_their_number() -> None:
    counts = RouteCounts(installed=9000, fallback=1000, unreachable=0)
    known = KNOWN._replace(counts=counts, routes=Untouchable())
    told = scraped(FakeFigures(babel=BABEL._replace(known=known)))
    assert told.value("stellwerk_part_up", part="babel") == 1
    assert told.value("babel_routes", state="installed") == 9000
    assert len(told.samples) == len(scraped(FakeFigures()).samples)


def test_links_of_the_node_and_no_others() -> None:
    told = scraped(FakeFigures())
    assert {one["interface"] for one in told.labels("stellwerk_link_up")} == {
        "mesh0",
        "wg-mesh",
        "wlan0",
        "gre-provider",
    }
    assert told.value("stellwerk_link_up", interface="mesh0") == 1
    assert told.value("stellwerk_link_up", interface="wlan0") == 0
    assert told.value("stellwerk_link_receive_bytes_total", interface="mesh0") == 123_456_789
    assert told.value("stellwerk_link_transmit_drops_total", interface="wg-mesh") == 6
    assert told.value("stellwerk_link_info", interface="wg-mesh", kind="wireguard", mesh="true") == 1
    assert told.value("stellwerk_link_info", interface="gre-provider", mesh="false") == 1


def test_a_link_that_is_asked_for_and_missing_is_down() -> None:
    settings = replace(SETTINGS, mesh_interfaces=(MeshInterface(name="mesh9"),))
    told = scraped(FakeFigures(settings=settings))
    assert told.value("stellwerk_link_up", interface="mesh9") == 0
    assert not told.all("stellwerk_link_receive_bytes_total", interface="mesh9")


def test_wireguard_peers() -> None:
    told = scraped(FakeFigures())
    first, roamed, never = (peer.public_key for peer in PEERS)
    assert told.value("wireguard_received_bytes_total", interface="wg-mesh", public_key=first) == 9_000_000
    assert told.value("wireguard_sent_bytes_total", public_key=first) == 8_000_000
    assert told.value("wireguard_latest_handshake_seconds", public_key=first) == pytest.approx(
        time.time() - 17.5, abs=60
    )
    assert told.value("wireguard_latest_handshake_seconds", public_key=never) == 0
    assert told.value("stellwerk_wireguard_handshake_age_seconds", public_key=roamed) == 4000
    assert not told.all("stellwerk_wireguard_handshake_age_seconds", public_key=never)
    assert told.value("stellwerk_wireguard_roamed", public_key=first) == 0
    assert told.value("stellwerk_wireguard_roamed", public_key=roamed) == 1


def test_exits_with_what_keeps_them() -> None:
    told = scraped(FakeFigures())
    assert told.value("stellwerk_exit_announced", exit="2001:db8:42::/56") == 1
    assert told.value("stellwerk_exit_announced", exit="2001:db8:43::/56") == 0
    assert told.value("stellwerk_exit_withdrawn", exit="2001:db8:43::/56", cause="carrier") == 1
    assert sum(told.all("stellwerk_exit_withdrawn", exit="2001:db8:43::/56")) == 1
    assert sum(told.all("stellwerk_exit_withdrawn", exit="2001:db8:42::/56")) == 0
    assert told.value("stellwerk_exit_since_timestamp_seconds", exit="2001:db8:43::/56") == STATUS["offers"][1]["since"]


def test_without_a_daemon_exits_are_what_babeld_announces() -> None:
    figures = FakeFigures(status=None)
    told = scraped(figures)
    assert told.value("stellwerk_exit_announced", exit="2001:db8:42::/56") == 1
    assert told.value("stellwerk_exit_announced", exit="2001:db8:43::/56") == 0
    figures.know(None, "babeld does not answer")
    assert "stellwerk_exit_announced" not in scraped(figures).names


def test_the_state_of_the_node() -> None:
    told = scraped(FakeFigures())
    assert told.value("stellwerk_sync", state="drifted") == 1
    assert told.value("stellwerk_sync", state="synced") == 0
    assert told.value("stellwerk_healthy") == 0
    assert told.value("stellwerk_degraded_reasons") == 1
    assert told.value("stellwerk_objects", state="drifted") == 1
    assert told.value("stellwerk_objects", state="in conflict") == 1
    assert told.value("stellwerk_objects", state="failed") == 0
    assert told.value("stellwerk_quarantined_intents") == 1
    assert told.value("stellwerk_rounds_total") == 311
    assert told.value("stellwerk_mode", mode="enforce") == 1
    assert told.value("stellwerk_check_passed", check="ping 2001:db8:ffff::1") == 1
    assert told.value("stellwerk_check_passed", check="babel_neighbours 4") == 0


def test_a_service_that_does_not_run() -> None:
    services = [
        {"name": "respondd", "state": "running", "problem": ""},
        {"name": "page", "state": "waiting", "problem": "the port is taken"},
    ]
    told = scraped(FakeFigures(status=STATUS | {"services": services}))
    assert told.value("stellwerk_service_up", service="respondd") == 1
    assert told.value("stellwerk_service_up", service="page") == 0


def test_offenders() -> None:
    told = scraped(FakeFigures())
    assert told.value("stellwerk_offenders", kind="default") == 1
    assert told.value("stellwerk_offenders", kind="exit") == 0
    who = {"router_id": "02:00:00:ff:fe:00:00:0d", "neighbour": "fe80::c", "interface": "mesh0"}
    assert told.value("stellwerk_offender_refused", **who) == 1
    assert told.value("stellwerk_offender_since_timestamp_seconds", **who) == STATUS["offenders"][0]["since"]


def test_of_a_flood_of_offenders_the_first_have_series_and_the_others_are_counted() -> None:
    one = STATUS["offenders"][0]
    flood = [one | {"router_id": f"02:00:00:ff:fe:00:{number:02x}:00"} for number in range(200)]
    status = STATUS | {"offenders": flood, "counts": {"offenders": {"default": 5000}}}
    told = scraped(FakeFigures(status=status))
    assert len(told.all("stellwerk_offender_refused")) == MOST_OFFENDERS
    assert told.value("stellwerk_offenders", kind="default") == 5000
    assert told.value("stellwerk_left_out", part="offenders") == 5000 - MOST_OFFENDERS


def test_of_a_flood_of_neighbours_the_best_have_series_and_all_are_counted() -> None:
    strangers = tuple(Neighbour(f"fe80::{n:x}", "mesh0", 1, 0, 65535, 65535, 65535, None, None) for n in range(2, 2000))
    known = KNOWN._replace(neighbours=(*strangers, *KNOWN.neighbours))
    told = scraped(FakeFigures(babel=BABEL._replace(known=known)))
    assert told.value("babel_neighbours") == 2001
    assert len(told.all("babel_neighbour_cost")) == MOST_NEIGHBOURS
    assert told.value("babel_neighbour_cost", address="fe80::b", interface="mesh0") == 96
    assert told.value("stellwerk_left_out", part="neighbours") == 2001 - MOST_NEIGHBOURS


HOSTILE = 'a"b\\c\nd\x00\x1b[31m\udcff{}# HELP x ' + "x" * 10_000


@pytest.mark.parametrize(
    "values",
    [
        {"babel": BABEL._replace(known=KNOWN._replace(version=HOSTILE))},
        {"babel": BABEL._replace(known=KNOWN._replace(neighbours=(KNOWN.neighbours[0]._replace(interface=HOSTILE),)))},
        {"status": STATUS | {"offenders": [STATUS["offenders"][0] | {"router_id": HOSTILE, "neighbour": HOSTILE}]}},
        {"status": STATUS | {"checks": [{"check": HOSTILE, "passed": True, "reason": HOSTILE}]}},
    ],
)
def test_text_of_others_stays_inside_its_quotes_and_is_cut(values: dict[str, Any]) -> None:
    told = scraped(FakeFigures(**values))
    found = [value for _, has in told.samples for _, value in has if "HELP" in value]
    assert found
    for value in found:
        assert value.isprintable()
        # Each character that cannot be seen is told by an escape of up to six.
        assert len(value) <= LONGEST_VALUE + 6 * 5
    assert not [name for name in told.names if not name.startswith(("stellwerk_", "babel_", "wireguard_", "process_"))]


def test_the_machine_and_this_process() -> None:
    told = scraped(FakeFigures())
    assert told.value("stellwerk_machine_load1") == 0.42
    assert told.value("stellwerk_machine_memory_bytes", kind="available") == 64 << 20
    assert told.value("stellwerk_machine_cpu_seconds_total", mode="idle") > 0
    assert told.value("stellwerk_machine_uptime_seconds") == 86_412.25
    assert told.value("process_resident_memory_bytes") > 0


def test_what_others_counted_is_shown_though_they_are_not_known_here() -> None:
    counters = Counters()
    counters.counter("stellwerk_teapots_total", "Pots of tea.", ("sort",)).add("green", count=3)
    told = scraped(FakeFigures(), counters)
    assert told.value("stellwerk_teapots_total", sort="green") == 3


@pytest.mark.parametrize(
    ("source", "part", "series"),
    [
        ("links", "links", "stellwerk_link_up"),
        ("peers", "wireguard", "wireguard_sent_bytes_total"),
        ("system", "machine", "stellwerk_machine_load1"),
        ("status", "status", "stellwerk_sync"),
    ],
)
def test_a_part_that_fails_is_named_and_takes_none_of_the_others_with_it(source: str, part: str, series: str) -> None:
    figures = FakeFigures()
    figures.set(**{source: UnreachableError("it does not answer")})
    told = scraped(figures)
    assert told.value("stellwerk_part_up", part=part) == 0
    assert series not in told.names
    assert told.value("babel_neighbours") == 3
    assert told.value("stellwerk_part_up", part="about") == 1


@pytest.mark.parametrize(
    ("source", "values", "part", "series"),
    [
        ("links", {"links": {}}, "links", "stellwerk_link_up"),
        ("peers", {"peers": ()}, "wireguard", "wireguard_sent_bytes_total"),
        ("firewall", {"firewall": ()}, "firewall", "stellwerk_firewall_refused_packets_total"),
    ],
)
def test_what_cannot_be_looked_at_is_not_taken_for_nothing(
    source: str, values: dict[str, Any], part: str, series: str
) -> None:
    figures = FakeFigures()
    figures.set(problems={source: "the kernel does not answer"}, **values)
    told = scraped(figures)
    assert told.value("stellwerk_part_up", part=part) == 0
    assert series not in told.names


def test_what_the_firewall_refused() -> None:
    told = scraped(FakeFigures())
    for one in FIREWALL:
        assert told.value("stellwerk_firewall_refused_packets_total", counter=one.name) == one.packets
        assert told.value("stellwerk_firewall_refused_bytes_total", counter=one.name) == one.bytes
    assert "stellwerk_firewall_refused_packets_total" not in scraped(FakeFigures(firewall=None)).names


def test_a_part_that_is_not_as_it_should_be_takes_none_of_the_others_with_it() -> None:
    told = scraped(FakeFigures(status={"stellwerk_status": 99}))
    assert told.value("stellwerk_part_up", part="status") == 0
    assert told.value("stellwerk_part_up", part="links") == 1
