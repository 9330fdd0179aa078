"""What a real babeld makes of a default route without a source prefix, with our configuration."""

import os
import signal
from ipaddress import IPv6Network
from pathlib import Path

from intent.resources.babel_configuration import BabelConfiguration
from tests.kernel.babel.mesh import Node, until
from tests.kernel.offenders.row import Row, announce, learned

OURS = BabelConfiguration(10).render()
EXIT = "2001:db8:1::/56"


def _start(nodes: Row, *with_ours: Node) -> None:
    """Start all, and have the stranger announce a default without a source, and one with, which is right."""
    for node in nodes.nodes:
        if node in with_ours:
            nodes.start(node, OURS)
        else:
            nodes.start(node)
    announce(nodes.s, None)
    announce(nodes.s, EXIT)
    # The right one is announced after the other: where it has come, so would that.
    until(lambda: f"default from {EXIT}" in nodes.c.routes(), "the exit's route at the far end")


def _is_refused(node: Node) -> bool:
    """Return whether it is known who announces it, and it is not used."""
    lines = learned(node, "::/0")
    return bool(lines) and all("installed no" in line for line in lines) and "default via" not in node.routes()


def _announcers(node: Node) -> set[str]:
    return {line.partition(" id ")[2].split()[0] for line in learned(node, "::/0")}


def test_it_is_known_and_neither_used_nor_passed_on(nodes: Row) -> None:
    _start(nodes, nodes.a, nodes.b, nodes.c)
    until(lambda: _is_refused(nodes.a), "the refused route in what babeld knows")
    for node in (nodes.b, nodes.c):
        assert learned(node, "::/0") == []
        assert "default via" not in node.routes()


def test_careless_neighbours_are_not_told_of_it_either(nodes: Row) -> None:
    _start(nodes, nodes.a)
    until(lambda: _is_refused(nodes.a), "the refused route in what babeld knows")
    for node in (nodes.b, nodes.c):
        assert learned(node, "::/0") == []


def test_it_comes_over_careless_nodes_and_names_the_one_who_announces_it(nodes: Row) -> None:
    _start(nodes, nodes.c)
    until(lambda: _is_refused(nodes.c), "the refused route in what babeld knows")
    assert _announcers(nodes.c) == _announcers(nodes.a) != set()
    assert "default via" in nodes.b.routes()


def test_so_it_is_after_a_restart(nodes: Row) -> None:
    _start(nodes, nodes.a)
    pid = nodes.a.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{pid}").exists(), "the end of babeld")
    nodes.start(nodes.a, OURS)
    until(lambda: f"default from {EXIT}" in nodes.c.routes(), "the exit's route at the far end")
    until(lambda: _is_refused(nodes.a), "the refused route in what babeld knows")
    assert learned(nodes.b, "::/0") == []


def test_one_that_is_retracted_is_known_as_such(nodes: Row) -> None:
    _start(nodes, nodes.a)
    until(lambda: _is_refused(nodes.a), "the refused route in what babeld knows")
    announce(nodes.s, None, verb="retract")
    until(lambda: all(" metric 65535 " in line for line in learned(nodes.a, "::/0")), "the retraction")
    assert f"default from {EXIT}" in nodes.c.routes()


def test_what_is_as_good_as_one_is_refused_like_it_and_other_networks_are_not(nodes: Row) -> None:
    for node in (nodes.a, nodes.b, nodes.c):
        nodes.start(node, OURS)
    nodes.start(nodes.s)
    halves, others = ("::/1", "8000::/1", "2000::/3", "2000::/4", "2000::/15"), ("2000::/16", "fc00::/7", "fd00::/8")
    for destination in (*halves, *others):
        announce(nodes.s, None, destination)
    # With a source it is a way out for some, of no concern to the others.
    announce(nodes.s, EXIT, "2000::/3")
    until(lambda: all(f"{one} via" in nodes.c.routes() for one in others), "the other networks at the far end")
    until(lambda: f"2000::/3 from {EXIT}" in nodes.c.routes(), "the way out for some at the far end")
    for destination in halves:
        until(lambda one=destination: bool(learned(nodes.a, one)), f"{destination} in what babeld knows")  # type: ignore[misc]
        assert all("installed no" in line for line in learned(nodes.a, destination)), destination
        assert learned(nodes.b, destination) == []
        assert f"{destination} via" not in nodes.a.routes()


def test_parts_of_the_exits_of_this_mesh_are_neither_used_nor_passed_on(nodes: Row) -> None:
    inner, part, other = "2001:db8:1:80::/60", "2001:db8:1:10::/64", "2001:db8:2:10::/64"
    exits = tuple(IPv6Network(one) for one in (EXIT, inner))
    for node in (nodes.a, nodes.b, nodes.c):
        nodes.start(node, BabelConfiguration(10, mesh_exits=exits).render())
    nodes.start(nodes.s)
    refused = (("::/0", part), ("2000::/3", part), ("2000::/3", EXIT), ("::/0", "2001:db8:1:80::/64"))
    used = (("default", EXIT), ("default", inner), ("default", other), ("fd00:7::/32", part))
    for destination, source in (*refused, *used):
        announce(nodes.s, source, destination)
    for destination, source in used:
        until(lambda way=f"{destination} from {source}": way in nodes.c.routes(), f"{destination} from {source}")  # type: ignore[misc]
    for destination, source in refused:
        until(lambda to=destination, of=source: bool(learned(nodes.a, to, of)), f"{destination} from {source} is known")  # type: ignore[misc]
        assert all("installed no" in line for line in learned(nodes.a, destination, source))
        assert learned(nodes.b, destination, source) == []
