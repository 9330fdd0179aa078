"""respondd asked over a cable, as yanic asks it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from reconciler.core.errors import OccupiedError
from reconciler.services.statistics.respondd import Respondd
from tests.figures import KNOWN, FakeFigures
from tests.host import until
from tests.kernel.respondd.place import (
    ALL,
    LINK_GROUP,
    MAP_SERVER,
    NODE,
    NODE_TOO,
    PORT,
    SITE_GROUP,
    Place,
    collected,
    passed,
    place,
    started,
)
from tests.pure.respondd import as_yanic


@pytest.fixture
def asked() -> Iterator[Place]:
    with place("mesh0") as made:
        made.cable("mesh0")
        made.cable("wan")
        made.mesh_addresses()
        yield started(made)


@pytest.mark.parametrize("to", [NODE, NODE_TOO])
def test_the_answer_comes_from_the_address_that_was_asked(asked: Place, to: str) -> None:
    (answer,) = asked.ask(ALL, to)
    assert answer.source[:2] == (to, PORT)
    assert as_yanic.read(answer.data)["nodeinfo"]["hostname"] == "exit-berlin-7"


def test_the_link_local_address(asked: Place) -> None:
    to = asked.link_local("mesh0")
    (answer,) = asked.ask(ALL, to)
    assert (answer.address, answer.source[1], answer.source[3]) == (to, PORT, asked.index("mesh0"))


def test_the_group_of_the_link(asked: Place) -> None:
    (answer,) = asked.ask(ALL, LINK_GROUP)
    assert (answer.address, answer.source[1]) == (asked.link_local("mesh0"), PORT)
    assert sorted(as_yanic.read(answer.data)) == ["neighbours", "nodeinfo", "statistics"]


def test_the_group_of_the_link_asked_from_a_global_address(asked: Place) -> None:
    (answer,) = asked.ask(ALL, LINK_GROUP, source=MAP_SERVER)
    assert answer.address in (NODE, NODE_TOO)


def test_the_group_of_the_site_is_answered_within_ten_seconds(asked: Place) -> None:
    with asked.socket("mesh0") as asking:
        begun = time.monotonic()
        asked.asker.run(lambda: asking.sendto(ALL, (SITE_GROUP, PORT, 0, asked.index("mesh0"))))
        (answer,) = collected(asking, 15.0)
        assert passed(begun) < 12
    assert as_yanic.read(answer.data)["neighbours"]["node_id"] == "02000000000a"


def test_what_comes_by_another_interface_has_no_answer(asked: Place) -> None:
    asked.asker.ip("address", "add", "2001:db8:2::2/64", "dev", "wan", "nodad")
    asked.node.ip("address", "add", "2001:db8:2::1/64", "dev", "wan", "nodad")
    asked.asker.ip("route", "add", f"{NODE_TOO}/128", "via", "2001:db8:2::1", "dev", "wan")
    # The group of all nodes is joined everywhere; the address of the mesh is asked for through the other cable.
    for to in (asked.link_local("wan"), "2001:db8:2::1", NODE_TOO, LINK_GROUP, SITE_GROUP, "ff02::1"):
        assert asked.ask(ALL, to, by="wan", quick=True) == [], to
    until(lambda: asked.counted("dropped", "interface") == 4, "those that the kernel gave to respondd")
    assert asked.counted("answers") == 0


def test_who_is_not_of_the_mesh_has_no_answer_also_by_the_mesh(asked: Place) -> None:
    victim = "2001:db8:9::1"
    asked.asker.ip("address", "add", f"{victim}/128", "dev", "mesh0", "nodad")
    asked.node.ip("route", "add", f"{victim}/128", "via", MAP_SERVER, "dev", "mesh0")
    for to in (NODE, asked.link_local("mesh0"), LINK_GROUP, SITE_GROUP):
        assert asked.ask(ALL, to, source=victim, quick=True) == [], to
    until(lambda: asked.counted("dropped", "source") == 4, "what comes from there")
    assert asked.counted("answers") == 0


def test_the_node_itself_may_ask_its_mesh(asked: Place) -> None:
    index = asked.node.run(lambda: socket.if_nametoindex("mesh0"))
    with asked.node.run(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as asking:
        asked.node.run(lambda: asking.sendto(ALL, (LINK_GROUP, PORT, 0, index)))
        assert len(collected(asking, 10.0)) == 1


def test_an_interface_that_is_made_again_is_joined_again(asked: Place) -> None:
    for _ in range(2):
        asked.node.ip("link", "delete", "mesh0")
        asked.cable("mesh0")
        asked.mesh_addresses()
        until(lambda: asked.ask(ALL, LINK_GROUP, quick=True) != [], "an answer on the new interface")
        assert len(asked.ask(ALL, NODE)) == 1


def test_an_interface_that_is_missing_is_waited_for() -> None:
    with place("mesh0", "mesh1") as made:
        made.cable("mesh0")
        started(made)
        assert len(made.ask(ALL, LINK_GROUP)) == 1
        made.cable("mesh1")
        until(lambda: made.ask(ALL, LINK_GROUP, by="mesh1", quick=True) != [], "an answer on the late interface")
        assert len(made.ask(ALL, LINK_GROUP)) == 1, "once, on the interface that it came by"


def test_an_answer_of_eight_kilobytes_arrives(asked: Place) -> None:
    few = KNOWN.neighbours
    many = [
        few[0]._replace(address=f"fe80::{number * 40503 % 65536:x}:{number:x}", reach=number * 31 % 65536)
        for number in range(1000)
    ]
    asked.figures.know(KNOWN._replace(neighbours=tuple(many)))
    (answer,) = asked.ask(ALL, LINK_GROUP)
    assert 7500 < len(answer.data) <= 8192
    as_yanic.read(answer.data)


def test_a_thousand_queries_a_second_are_all_answered(asked: Place) -> None:
    # Ten seconds of them are measured where nothing else runs; here they come as fast as they are answered.
    with asked.socket("mesh0") as asking:
        to = (asked.link_local("mesh0"), PORT, 0, asked.index("mesh0"))
        answered = 0
        begun = time.monotonic()
        for _ in range(100):
            for _ in range(10):
                asking.sendto(ALL, to)
            asking.settimeout(10.0)
            for _ in range(10):
                answered += as_yanic.read(asking.recv(65536))["nodeinfo"]["vpn"] is True
        assert answered == 1000
        assert passed(begun) < 60
    assert asked.counted("answers") == asked.counted("requests", "get") == 1000


def test_a_flood_is_answered_no_more_than_it_asks_and_no_faster_than_the_limit(asked: Place) -> None:
    with asked.socket("mesh0") as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        to = (asked.link_local("mesh0"), PORT, 0, asked.index("mesh0"))
        begun = time.monotonic()
        for _ in range(8000):
            asking.sendto(b"GET nodeinfo", to)
        sent = collected(asking, 10.0)
        assert len(sent) <= min(8000, 1500 + 1500 * passed(begun))
    assert asked.counted("answers") >= len(sent)


def test_a_change_is_told_within_50_ms(asked: Place) -> None:
    took = []
    to = (asked.link_local("mesh0"), PORT, 0, asked.index("mesh0"))
    with asked.socket("mesh0") as asking:
        asking.settimeout(10.0)
        for number in range(20):
            known = KNOWN._replace(neighbours=KNOWN.neighbours[number % 2 :])
            asked.figures.know(known)
            begun = time.monotonic()
            while True:
                asking.sendto(b"GET neighbours", to)
                told = as_yanic.read(asking.recv(65536))["neighbours"]["babel"]
                if ("fe80::b" in told["mesh0"]["neighbours"]) is (number % 2 == 0):
                    break
                # No more than are answered.
                time.sleep(0.002)
            took.append(passed(begun))
    assert sorted(took)[len(took) // 2] < 0.05, took


def test_a_port_that_is_taken_is_said(asked: Place) -> None:
    second = Respondd(FakeFigures())
    with pytest.raises(OccupiedError, match=r"UDP port 1001 is taken .* see which with `ss -6lunp sport = :1001`"):
        asked.node.run(second.start)
    second.close()
    assert len(asked.ask(ALL, NODE)) == 1


def test_it_ends_at_once_and_can_be_started_again(asked: Place) -> None:
    for _ in range(3):
        begun = time.monotonic()
        asked.respondd.close()
        asked.respondd.close()
        assert passed(begun) < 2
        assert not any(one.name == "respondd" for one in threading.enumerate())
        assert asked.ask(ALL, NODE, quick=True) == []
        started(asked)
        assert len(asked.ask(ALL, NODE)) == 1
