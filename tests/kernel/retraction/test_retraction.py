"""An exit whose interface goes: neighbours hear of it though its route has gone before anybody could act."""

import time
from collections.abc import Callable
from typing import Any

from tests.host import Host
from tests.kernel.daemon.running import Programs
from tests.kernel.retraction.two_exits import PREFIXES, OtherExit, exits

LOST_SECONDS = 3.0
"""For how long a neighbour may use an exit that has gone."""


def _cut(other: OtherExit, how: Callable[[], Any]) -> None:
    """Do it, and see that the neighbour and then the host turn to the other exit, and that nothing stays."""
    begun = time.monotonic()
    how()
    other.until_used("mesh1")
    took = time.monotonic() - begun
    print("seconds until the neighbour uses the other exit", took)
    assert took < LOST_SECONDS
    other.until_the_host_uses_it()
    print("seconds until the host does", time.monotonic() - begun)
    assert other.stand_ins() == ""


def _told(status: dict[str, Any]) -> list[dict[str, Any]]:
    operations = [one for fact in status["recent"] for one in fact.get("operations", ())]
    return [one for one in operations if one["impact"] == "retraction"]


def test_neighbours_let_go_of_an_exit_whose_link_is_deleted(node: Host, start: Programs, other: OtherExit) -> None:
    daemon = start.synced(node.node_file(exits()))
    other.until_used("mesh0")
    _cut(other, lambda: node.namespace.ip("link", "delete", "wan"))
    status = daemon.until(lambda status: len(_told(status)) == len(PREFIXES), "the facts")
    for one, prefix in zip(_told(status), PREFIXES, strict=True):
        assert one["description"] == f"babel announcement ::/0 from {prefix}"
        assert one["action"] == "delete"
        assert one["result"] == "done"
        assert "undrained" not in one
        assert one["reason"].startswith("vanished with route 10 ::/0 ")
    assert {one["state"] for one in status["objects"]} == {"pending"}
    # The link comes back.
    node.namespace.cable("wan", node.neighbour, "wan")
    other.until_used("mesh0")
    assert other.of_the_host() == {}
    assert len(_told(daemon.until_synced())) == len(PREFIXES)


def test_neighbours_let_go_of_an_exit_whose_link_is_set_down(node: Host, start: Programs, other: OtherExit) -> None:
    daemon = start.synced(node.node_file(exits()))
    for _ in range(2):
        other.until_used("mesh0")
        _cut(other, lambda: node.namespace.ip("link", "set", "wan", "down"))
        node.namespace.ip("link", "set", "wan", "up")
    other.until_used("mesh0")
    daemon.until_synced()


def test_an_exit_whose_route_somebody_deletes_is_not_retracted(node: Host, start: Programs, other: OtherExit) -> None:
    daemon = start.synced(node.node_file(exits()))
    other.until_used("mesh0")
    rounds = daemon.status()["rounds"]
    node.namespace.ip("-6", "route", "delete", "default", "from", PREFIXES[0], "table", "10", "proto", "242")
    daemon.until(lambda status: status["rounds"] > rounds and status["sync"]["state"] == "synced", "the repair")
    assert _told(daemon.status()) == []


def test_by_hand_it_is_retracted_by_the_next_apply(node: Host, other: OtherExit) -> None:
    file = node.node_file(exits())
    assert node.apply(file).code == 0
    other.until_used("mesh0")
    node.namespace.ip("link", "delete", "wan")
    said = node.stellwerk("plan", file, *node.state())
    assert f"- babel announcement ::/0 from {PREFIXES[0]}  # vanished with route 10 ::/0 " in said.out
    assert f"{len(PREFIXES)} to retract" in said.out
    _cut(other, lambda: node.apply(file))
    assert node.plan(file)["operations"] == []


def test_what_a_killed_program_left_in_its_place_does_not_stay(node: Host, other: OtherExit) -> None:
    file = node.node_file(exits())
    assert node.apply(file).code == 0
    other.until_used("mesh0")
    node.namespace.ip("link", "delete", "wan")
    for one in PREFIXES[:2]:
        words = ("unreachable", "default", "from", one, "table", "10", "proto", "243", "metric", "513")
        node.namespace.ip("-6", "route", "add", *words)
    _cut(other, lambda: node.apply(file))
