"""What the mesh of a lab still lacks after every node is in sync."""

from __future__ import annotations

from typing import Any

from reconciler.lab.mesh import missing

PREFIX = "2001:db8:200::/56"


def babeld(neighbour: str, **others: Any) -> dict[str, Any]:
    heard = [{"node": neighbour, "interface": "mesh0", "cost": 96}]
    return {"interfaces": ["mesh0"], "neighbours": heard, "announces": [], "defaults": [], **others}


def status(kiel: dict[str, Any] | None, roof: dict[str, Any] | None, state: str = "up") -> dict[str, Any]:
    return {
        "nodes": {"kiel": {"babeld": kiel}, "roof": {"babeld": roof}},
        "wires": [
            {"ends": {"kiel:mesh0": "up", "roof:mesh0": state}},
            {"ends": {"roof:lan0": "up", "alice:eth0": "up"}},
        ],
        "clients": {"alice": {"at": "roof:lan0", "address": "2001:db8:200:1::10/64"}},
    }


def test_nothing_when_both_hear_each_other_and_the_way_of_the_client_is_there() -> None:
    kiel = babeld("roof", announces=[PREFIX])
    assert list(missing(status(kiel, babeld("kiel", defaults=[{"from": PREFIX}])))) == []


def test_who_hears_whom_on_one_side_only_and_the_way_of_a_client() -> None:
    kiel = babeld("roof", announces=[PREFIX])
    deaf = babeld("kiel", neighbours=[{"node": "kiel", "interface": "mesh0", "cost": 0xFFFF}])
    assert list(missing(status(kiel, deaf))) == [
        "roof does not hear kiel on mesh0",
        "roof has no way to the exit of alice",
    ]


def test_nobody_is_waited_for_over_a_broken_wire_without_a_babeld_or_on_interfaces_where_none_speaks() -> None:
    alone = babeld("nobody", neighbours=[])
    assert list(missing(status(alone, alone, state="silent"))) == []
    assert list(missing(status(alone, None))) == []
    assert list(missing(status(alone, {**alone, "interfaces": ["mesh1"]}))) == []


def test_the_client_of_an_exit_that_is_its_own_node_and_one_that_nobody_serves() -> None:
    assert list(missing(status(babeld("roof"), babeld("kiel", announces=[PREFIX])))) == []
    assert list(missing(status(babeld("roof"), babeld("kiel")))) == []
