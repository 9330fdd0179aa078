"""The tests' reader takes what the real yanic took, and refuses what it refused (22 recorded answers)."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.pure.respondd import as_yanic

GOOD: dict[str, Any] = {
    "nodeinfo": {
        "node_id": "02000000000a",
        "hostname": "node-a",
        "network": {"mac": "02:00:00:00:00:0a", "mesh": {"babel": {"interfaces": {"tunnel": ["fe80::a"]}}}},
        "vpn": True,
    },
    "statistics": {
        "node_id": "02000000000a",
        "clients": {"wifi": 1, "total": 3},
        "traffic": {"rx": {"bytes": 1}},
        "gateway_nexthop": "fe80::b",
    },
    "neighbours": {
        "node_id": "02000000000a",
        "babel": {
            "mesh0": {
                "protocol": "babel",
                "ll-addr": "fe80::a",
                "neighbours": {"fe80::b": {"rxcost": 96, "txcost": 96, "cost": 96, "reachability": 65535}},
            }
        },
    },
}


def deflated(value: Any, wbits: int = -15) -> bytes:
    deflate = zlib.compressobj(wbits=wbits)
    return deflate.compress(json.dumps(value).encode()) + deflate.flush()


def link(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["neighbours"]["babel"]["mesh0"]["neighbours"]["fe80::b"]
    return found


ACCEPTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "good": lambda one: None,
    "extra_fields": lambda one: one["nodeinfo"].update(more={"of": [1.5]}),
    "no_reach": lambda one: link(one).pop("reachability"),
    "clients_null": lambda one: one["statistics"].update(clients=None),
    "traffic_null": lambda one: one["statistics"].update(traffic=None),
    "no_neighbours": lambda one: one.pop("neighbours"),
    "no_statistics": lambda one: one.pop("statistics"),
    "no_ll": lambda one: one["neighbours"]["babel"]["mesh0"].pop("ll-addr"),
}
REFUSED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float_reach": lambda one: link(one).update(reachability=0.0),
    "hex_reach": lambda one: link(one).update(reachability="ffff"),
    "bad_nodeid": lambda one: one["nodeinfo"].update(node_id="02:00:00:00:00:0a"),
    "clients_float": lambda one: one["statistics"]["clients"].update(total=3.0),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_what_yanic_took(change: Callable[[dict[str, Any]], Any]) -> None:
    answer = copy.deepcopy(GOOD)
    change(answer)
    assert as_yanic.read(deflated(answer)) == answer


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_yanic_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    answer = copy.deepcopy(GOOD)
    change(answer)
    with pytest.raises(as_yanic.RefusedByYanicError):
        as_yanic.read(deflated(answer))


def test_how_it_has_to_be_packed() -> None:
    long = GOOD | {"more": [str(number * 2654435761 % 2**32) for number in range(3000)]}
    for data in (deflated(GOOD, 15), json.dumps(GOOD).encode(), deflated(long)):
        with pytest.raises(as_yanic.RefusedByYanicError):
            as_yanic.read(data)
