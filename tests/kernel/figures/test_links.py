"""Counters and addresses of interfaces as a real kernel has them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from intent.statistics import Statistics
from reconciler.backends.link_counters import LinkAddresses, LinkCounters, LinkFigures
from reconciler.services.statistics.live_figures import LiveFigures
from tests.namespaces import Namespace

PACKETS, PAYLOAD_BYTES = 25, 1000
OVERHEAD_BYTES = 14 + 40 + 8
"""Of Ethernet, IPv6 and UDP."""


@pytest.fixture
def here() -> Iterator[Namespace]:
    with closing(Namespace()) as made:
        yield made


@pytest.fixture
def there(here: Namespace) -> Iterator[Namespace]:
    with closing(Namespace()) as made:
        here.cable("mesh0", made, "mesh0")
        for number, node in enumerate((here, made), 1):
            node.ip("address", "add", f"2001:db8::{number}/64", "dev", "mesh0", "nodad")
        yield made


def send(node: Namespace, count: int, to: str) -> None:
    def run() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as endpoint:
            for _ in range(count):
                endpoint.sendto(bytes(PAYLOAD_BYTES), (to, 9))

    node.run(run)


def test_counters_move_by_what_is_sent(here: Namespace, there: Namespace) -> None:
    with closing(here.run(LinkCounters)) as ours, closing(there.run(LinkCounters)) as theirs:
        # From any thread it is that namespace: this one is in another.
        before, heard_before = ours.look()["mesh0"], theirs.look()["mesh0"]
        send(here, PACKETS, "2001:db8::2")
        after, heard = ours.look()["mesh0"], theirs.look()["mesh0"]
    # Neighbour discovery and the like come on top.
    expected = PACKETS * (PAYLOAD_BYTES + OVERHEAD_BYTES)
    assert PACKETS <= after.tx_packets - before.tx_packets < PACKETS + 20
    assert expected <= after.tx_bytes - before.tx_bytes < expected + 20 * 200
    assert heard.rx_packets - heard_before.rx_packets >= PACKETS


def test_it_says_what_ip_says(here: Namespace, there: Namespace) -> None:
    here.ip("link", "add", "br0", "type", "bridge")
    here.ip("link", "set", "mesh0", "alias", "words")
    send(here, PACKETS, "2001:db8::2")
    with closing(here.run(LinkCounters)) as counters:
        found = counters.look()
    told = {one["ifname"]: one for one in json.loads(here.ip("-j", "-d", "-s", "link", "show"))}
    assert list(found) == list(told)
    for name, one in told.items():
        rx, tx = one["stats64"]["rx"], one["stats64"]["tx"]
        link = found[name]
        assert link.kind == one.get("linkinfo", {}).get("info_kind", "")
        assert link.mac == one["address"]
        # A late neighbour solicitation may have come between the two looks.
        assert 0 <= rx["packets"] - link.rx_packets <= 5
        assert 0 <= tx["packets"] - link.tx_packets <= 5
        assert (link.rx_errors, link.tx_errors) == (rx["errors"], tx["errors"])
        assert (link.rx_dropped, link.tx_dropped) == (rx["dropped"], tx["dropped"])


def test_up_is_up_with_a_carrier(here: Namespace, there: Namespace) -> None:
    with closing(here.run(LinkCounters)) as counters:

        def up() -> bool:
            return counters.look()["mesh0"].up

        assert up()
        there.ip("link", "set", "mesh0", "down")
        assert not up()
        there.ip("link", "set", "mesh0", "up")
        assert up()
        here.ip("link", "set", "mesh0", "down")
        assert not up()


def test_names_come_and_go(here: Namespace) -> None:
    with closing(here.run(LinkCounters)) as counters:
        assert list(counters.look()) == ["lo"]
        here.ip("link", "add", "br0", "type", "bridge")
        assert counters.look()["br0"].kind == "bridge"
        here.ip("link", "set", "br0", "name", "br1")
        assert list(counters.look()) == ["lo", "br1"]
        here.ip("link", "delete", "br1")
        assert list(counters.look()) == ["lo"]


def test_many_interfaces(here: Namespace) -> None:
    batch = "".join(f"link add name b{number} type bridge\n" for number in range(300))
    here.program("sh", "-c", f"printf '%s' '{batch}' | ip -batch -")
    with closing(here.run(LinkCounters)) as counters:
        found = counters.look()
    assert len(found) == 301
    assert {one.kind for one in found.values()} == {"", "bridge"}


def test_the_addresses_of_each_interface(here: Namespace, there: Namespace) -> None:
    here.ip("address", "add", "2001:db8::10/64", "dev", "mesh0", "nodad")
    here.ip("address", "add", "10.0.0.1/24", "dev", "mesh0")
    here.ip("address", "add", "fd00::1", "peer", "fd00::2", "dev", "lo", "nodad")
    here.ip("link", "add", "br0", "type", "bridge")
    with closing(here.run(LinkAddresses)) as addresses:
        found = addresses.look()
        assert found["mesh0"][:3] == ("10.0.0.1", "2001:db8::1", "2001:db8::10")
        assert all(one.startswith("fe80::") for one in found["mesh0"][3:])
        assert found["lo"] == ("127.0.0.1", "::1", "fd00::1")
        assert "br0" not in found
        here.ip("address", "flush", "dev", "lo")
        assert "lo" not in addresses.look()


def test_however_many_ask_the_kernel_is_asked_once_a_while(here: Namespace, there: Namespace) -> None:
    with closing(here.run(lambda: LiveFigures(Statistics(node="a"), None))) as figures:
        first = figures.links()
        assert isinstance(first["mesh0"], LinkFigures)
        send(here, PACKETS, "2001:db8::2")
        assert all(figures.links() is first for _ in range(1000))
        assert "2001:db8::1" in figures.addresses()["mesh0"]
        assert (figures.babel(), figures.status(), figures.peers()) == (None, None, ())
        assert figures.problems() == {}


def test_a_node_in_a_namespace_has_its_number_by_its_name(here: Namespace, there: Namespace) -> None:
    """All its interfaces are made up: another start gives them other addresses."""
    numbers = set()
    for _ in range(2):
        with closing(here.run(lambda: LiveFigures(Statistics(node="roof-1"), None))) as figures:
            numbers.add(figures.node_id)
        here.ip("link", "set", "mesh0", "address", "02:00:00:00:00:99")
    assert len(numbers) == 1
