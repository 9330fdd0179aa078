"""Whether the mesh of a lab is whole: babel takes seconds to find its neighbours after every node is in sync."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv6Interface, IPv6Network
from itertools import permutations
from typing import Any

from reconciler.lab.fields import INTERNET
from reconciler.lab.laboratory import Lab

MESH_SECONDS = 15.0
"""How long it is waited for: a mesh may be broken for good, which is no fault of the lab."""
_UNREACHABLE_COST = 0xFFFF
_ONE_REQUEST_SECONDS = 0.01
_PAUSE_SECONDS = 0.1

Json = Mapping[str, Any]


def missing(status: Json) -> Iterator[str]:
    """Yield what a mesh lacks, by a lab's status: neighbours over its wires, and the ways of clients to their exits."""
    for wire in status["wires"]:
        up = [end.split(":", 1) for end, state in wire["ends"].items() if state == "up"]
        speaking = [(node, link) for node, link in up if link in _babeld(status, node)["interfaces"]]
        for (node, link), (other, _) in permutations(speaking, 2):
            if other not in _heard(status, node, link):
                yield f"{node} does not hear {other} on {link}"
    for name, client in status["clients"].items():
        node, source = client["at"].split(":", 1)[0], IPv6Interface(client["address"]).ip
        exits = {
            one for one in status["nodes"] for own in _babeld(status, one)["announces"] if source in IPv6Network(own)
        }
        ways = (IPv6Network(way["from"]) for way in _babeld(status, node)["defaults"])
        if exits and node not in exits and not any(source in way for way in ways):
            yield f"{node} has no way to the exit of {name}"


def await_mesh(lab: Lab, tell: Callable[[str], None], seconds: float = MESH_SECONDS) -> list[str]:
    """Wait until the mesh is whole and the Internet answers clients that have an exit; return what is still missing.

    Raises StellwerkError where the lab dies.
    """
    end = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        status = lab.status()
        left = list(missing(status)) or _unanswered(lab, status)
        if not left or begun > end:
            return left
        tell(left[0])
        time.sleep(max(_PAUSE_SECONDS, time.monotonic() - begun))


def _unanswered(lab: Lab, status: Json) -> list[str]:
    """Return that a client with an exit is not answered, if one is not; others are not asked any more then."""
    if status["internet"] is None:
        return []
    announced = [IPv6Network(own) for node in status["nodes"] for own in _babeld(status, node)["announces"]]
    for name, client in status["clients"].items():
        if not any(IPv6Interface(client["address"]).ip in own for own in announced):
            continue
        if not lab.probe(name, seconds=_ONE_REQUEST_SECONDS)["answered"]:
            return [f"the {INTERNET} does not answer {name}"]
    return []


def _babeld(status: Json, node: str) -> Json:
    """Return what a node's babeld says, and of a place without one that it says nothing."""
    found: Json | None = status["nodes"].get(node, {"babeld": None})["babeld"]
    return found or {"interfaces": [], "neighbours": [], "announces": [], "defaults": []}


def _heard(status: Json, node: str, link: str) -> set[str | None]:
    """Return the nodes that a node's babeld hears on an interface, and that hear it."""
    neighbours = _babeld(status, node)["neighbours"]
    return {one["node"] for one in neighbours if one["interface"] == link and one["cost"] < _UNREACHABLE_COST}
