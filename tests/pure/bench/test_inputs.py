"""The same routes and peers, as each program is given them."""

from __future__ import annotations

import re
from pathlib import Path

from intent.expansion import expand
from intent.loading import loads
from intent.references import References
from intent.resources.route import Route
from tests.bench import inputs

COUNT = 70_000


def test_there_are_as_many_different_prefixes_as_asked_for() -> None:
    assert len(set(inputs.prefixes(COUNT))) == COUNT


def test_all_programs_are_given_the_same_routes() -> None:
    sources = inputs.prefixes(300)
    desired = list(expand(loads(inputs.node_file(sources).encode(), "node.yaml"), References({})))
    routes = [one for one in desired if isinstance(one, Route)]
    assert len(routes) == len(desired) == 300
    batch = inputs.ip_batch(sources).splitlines()
    bird = re.findall(r"from (\S+) via", inputs.bird_configuration(sources, Path("/run"), 10))
    ifstate = re.findall(r'to: "(\S+)"', inputs.ifstate_configuration(sources))
    assert [line.split()[4] for line in batch] == bird == ifstate == sources
    for route, line in zip(routes, batch, strict=True):
        assert inputs.packed(route.source) == inputs.packed(line.split()[4])
        assert f"via {route.gateway} dev {route.link} table {route.routing_table}" in line
        assert f"proto {route.protocol} metric {route.metric}" in line


def test_a_changed_peer_is_the_only_change(tmp_path: Path) -> None:
    plain = inputs.wireguard_node_file(100, tmp_path, "kernel").splitlines()
    changed = inputs.wireguard_node_file(100, tmp_path, "kernel", without=[50]).splitlines()
    different = [(one, other) for one, other in zip(plain, changed, strict=True) if one != other]
    assert len(different) == 1
    assert inputs.public_key(50) in different[0][0]


def test_wg_is_given_the_same_peers(tmp_path: Path) -> None:
    text = inputs.wireguard_configuration(20, "key", inputs.PORT)
    node = inputs.wireguard_node_file(20, tmp_path, "kernel")
    assert re.findall(r"PublicKey = (\S+)", text) == re.findall(r"public_key: \"(\S+)\"", node)
    assert re.findall(r"Endpoint = (\S+)", text) == re.findall(r"endpoint: \"(\S+)\"", node)
