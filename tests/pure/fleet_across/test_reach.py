"""Nodes that no exit can reach are told, and where it cannot be known nothing is."""

from __future__ import annotations

import time

from intent.fleet import across
from intent.fleet.facts import NodeFacts, Written
from intent.fleet.rendered import Origin
from intent.fleet.repository import read_fleet_from
from intent.shares import Leaving, Meeting, Member, Prefixed, Share, Unique
from tests.intents import PUBLIC_KEYS
from tests.pure.fleet_across.fleets import HEAD, KEY, link, node, public, said

EXIT = 'exit: {prefixes: [{prefix: "2a00:1::/48", via: {interface: wan}}]}\n'
WIRED = "mesh: {interfaces: [{name: mesh0, type: wired}]}\n"


def test_who_has_links_with_an_exit_is_reached() -> None:
    line = "links: [{between: [a, b], port: 51901}, {between: [b, c], port: 51902}]"
    assert said(line, a=public("a") + EXIT, b=public("b"), c=public("c")) == []


def test_who_is_alone_and_who_are_among_themselves() -> None:
    line = "links: [{between: [b, c], port: 51902}]"
    found = said(line, a=public("a") + EXIT, b=public("b"), c=public("c"), d=public("d"))
    assert [text.splitlines()[0] for text in found] == [
        "nodes/b.yaml: no exit can be reached: nodes b and c have connections among themselves only",
        "nodes/d.yaml: no exit can be reached: node d has no connection to another node",
    ]


def test_a_cable_that_nobody_describes_may_lead_anywhere() -> None:
    assert said(a=public("a") + EXIT, b=WIRED) == []


def test_a_segment_says_who_hears_whom() -> None:
    segment = "segments: [{interface: mesh0, nodes: [b, c]}]"
    (found,) = said(segment, a=EXIT + WIRED, b=WIRED, c=WIRED)
    assert "nodes b and c have connections among themselves only" in found
    assert said(segment, a=EXIT, b=EXIT.replace("a00:1", "a00:2") + WIRED, c=WIRED) == []
    (found,) = said(segment, a=EXIT, b=EXIT.replace("a00:1", "a00:2") + WIRED, c=EXIT.replace("a00:1", "a00:3"))
    assert found.startswith("fleet.yaml:6:")
    assert "node c has no mesh interface `mesh0`" in found


def test_a_peer_outside_of_the_fleet_may_have_an_exit() -> None:
    line = f'known_keys: {{them: "{KEY["d"]}"}}'
    assert said(line, a=EXIT, b=node("b", link("d"))) == []


def test_a_wireguard_interface_counts_where_babel_speaks_on_it() -> None:
    def other(name: str, peer: str, mesh: str) -> str:
        return (
            public(name, "wg") + f"wireguard: [{{name: wg, private_key: {{file: /k}}, listen_port: 51820, "
            f'peers: [{{public_key: "{KEY[peer]}", endpoint: "[2001:db8::{peer}]:51820"}}]}}]\n{mesh}'
        )

    speaks = "mesh: {interfaces: [{name: wg, type: tunnel}]}\n"
    assert said(a=other("a", "b", speaks) + EXIT, b=other("b", "a", speaks)) == []
    (found,) = said(a=other("a", "b", speaks) + EXIT, b=other("b", "a", ""))
    assert "node b has no connection to another node" in found


def test_a_fleet_without_any_exit_is_meant_so_unless_it_counts_on_one() -> None:
    line = "links: [{between: [a, b], port: 51901}]"
    assert said(line, a=public("a"), b=public("b")) == []
    counts = 'mesh: {exits: ["2a00:1::/48"]}\n'
    (found,) = said(line, a=public("a") + counts, b=public("b") + counts)
    assert found.startswith("fleet.yaml: no node of the fleet is an exit")


def test_a_node_that_is_not_in_the_mesh_needs_no_exit() -> None:
    gone = "mesh: {$remove: true}\nlinks: {$remove: true}\n"
    assert said(a=EXIT, b=gone) == []


def chain(count: int) -> dict[str, NodeFacts]:
    """Return as many nodes in a row, the first an exit; each with a key, an address and a network of its own."""
    found = {}
    for number in range(count):
        at = Origin(f"nodes/n{number}.yaml", 1, 1)
        ends = [
            Meeting((), "link", "links", f"key-{other}", f"n{other}", None, 51901 + side, ("x", 51902 - side), ())
            for side, other in ((0, number - 1), (1, number + 1))
            if 0 <= other < count
        ]
        shares: list[Share] = [
            Member((), exits=True),
            Unique((), "address", f"fd00::{number:x}"),
            Prefixed((), "network", f"fd00:{number:x}::/64", None),
            *ends,
            *([Leaving(())] if number == 0 else []),
        ]
        key = ("links", f"key-{number}", at)
        found[f"n{number}"] = NodeFacts(at.file, None, (key,), tuple(Written(one, at) for one in shares))
    return found


def test_ten_thousand_nodes_in_a_chain() -> None:
    nodes = chain(10_000)
    files = {"fleet.yaml": HEAD.encode(), **{facts.file: b"" for facts in nodes.values()}}
    fleet = read_fleet_from(files, "")
    start = time.process_time()
    assert across.check(nodes, fleet) == ()
    seconds = time.process_time() - start
    # It takes less than half a second; one that compared pairs would take minutes.
    assert seconds < 30
    cut = {**nodes, "n5000": nodes["n5000"]._replace(shares=nodes["n5000"].shares[:3])}
    told = [problem.message for problem in across.check(cut, fleet)]
    assert sum(message.startswith("node n5000 has no link to") for message in told) == 2
    assert "no exit can be reached: node n5000 has no connection to another node" in told
    assert any("and 4994 more have connections among themselves only" in message for message in told)


def test_many_nodes_with_one_address_are_one_problem() -> None:
    nodes = {
        f"n{number}": NodeFacts(
            f"nodes/n{number}.yaml", None, (), (Written(Unique((), "address", "fd00::1"), Origin("fleet.yaml", 3, 4)),)
        )
        for number in range(1000)
    }
    fleet = read_fleet_from({"fleet.yaml": HEAD.encode(), **{one.file: b"" for one in nodes.values()}}, "")
    (problem,) = across.check(nodes, fleet)
    assert problem.message == (
        "nodes n1, n10, n100, n101, n102 and 994 more have the address fd00::1 that node n0 has at the same place"
    )
    assert (problem.file, problem.line) == ("fleet.yaml", 3)


def test_an_address_may_be_shared_where_the_fleet_says_so() -> None:
    both = 'addresses: [{interface: lan, addresses: ["fd00::1/64"]}]\nmesh: {$remove: true}\nlinks: {$remove: true}\n'
    (found,) = said(a=both, b=both)
    assert "node b has the address fd00::1 that node a has in nodes/a.yaml:1:" in found
    assert "`shared_addresses`" in found
    assert said('shared_addresses: ["fd00::1", 192.168.0.0/16]', a=both, b=both) == []


def test_a_key_of_two_nodes_is_not_shown() -> None:
    both = f'public: {{keys: {{links: "{PUBLIC_KEYS[0]}"}}}}\n'
    found = [text for text in said(a=both, b=both) if "public key" in text]
    assert len(found) == 1
    assert PUBLIC_KEYS[0] not in found[0]
