"""Of a connection between two nodes both have an end, and the two agree."""

from __future__ import annotations

import pytest

from tests.pure.fleet_across.fleets import KEY, link, node, problems, public, said

WIREGUARD = """\
wireguard:
  - name: wg
    private_key: {{file: /etc/keys/wg}}
    listen_port: {port}
    addresses: ["fe80::1/64"]
    peers: [{{public_key: "{peer}"{more}}}]
"""


def wireguard(name: str, peer: str, port: int = 51820, more: str = "", says: bool = True) -> str:
    """Return a node with a WireGuard interface that has one peer; the node says its public key, or not."""
    whole = WIREGUARD.format(port=port, peer=peer, more=more)
    return (public(name, "wg") if says else "") + whole


def test_two_that_have_each_other_are_right() -> None:
    assert said(a=node("a", link("b")), b=node("b", link("a"))) == []


def test_a_link_that_only_one_side_has() -> None:
    to_c = link("c", listen_port=51902)
    to_a = link("a", endpoint='"[2001:db8::a]:51902"')
    (problem,) = problems(a=node("a", link("b"), to_c), b=node("b"), c=node("c", to_a))
    assert problem.message == "node b has no link to node a"
    assert (problem.file, problem.line) == ("nodes/a.yaml", 2)
    assert problem.source is not None
    assert problem.source[problem.caret :].startswith("b")
    assert problem.suggestion is not None
    assert "nodes/b.yaml too" in problem.suggestion


def test_keys_that_are_swapped() -> None:
    swapped = node("a", link("b", public_key=f'"{KEY["c"]}"'), link("c", public_key=f'"{KEY["b"]}"', listen_port=51902))
    found = said(a=swapped, b=node("b", link("a")), c=node("c", link("a", endpoint='"[2001:db8::a]:51902"')))
    assert len(found) == 2
    assert "this is not the public key of `links` of node b, but that of node c" in found[0]
    assert "the right one is in nodes/b.yaml:1:" in found[0]
    assert "but that of node b" in found[1]
    assert not any(key in text for key in KEY.values() for text in found), "a key is shown whole"


def test_a_link_to_the_node_itself_is_refused_where_it_is_written() -> None:
    with pytest.raises(Exception, match="is this node itself"):
        said(a=node("a", link("a")))


@pytest.mark.parametrize("known", [True, False])
def test_a_link_to_somebody_outside(known: bool) -> None:
    found = said(f'known_keys: {{them: "{KEY["b"]}"}}' if known else "", a=node("a", link("b")))
    assert bool(found) is not known
    assert known or "`b` is no node of the fleet" in found[0]


def test_a_node_that_does_not_say_its_key_is_told_once() -> None:
    silent = node("b", link("a"), link("c", listen_port=51902)).replace(f'keys: {{links: "{KEY["b"]}"}}, ', "")
    port = '"[2001:db8::b]:51902"'
    found = said(a=node("a", link("b")), b=silent, c=node("c", link("b", endpoint=port)))
    assert len(found) == 1
    assert found[0].startswith("nodes/b.yaml: the public key of `links` of node b is not said")


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({"ipv4": "true"}, {}, "`ipv4` of the link is true at node a, and false at node b in nodes/b.yaml:2:"),
        ({"preshared_key": "{file: /p}"}, {}, "`preshared_key` of the link is written at node a, and not written"),
        ({"endpoint": None}, {"endpoint": None}, "neither node a nor node b knows where the other is"),
        ({"endpoint": '"[2001:db8::b]:51999"'}, {}, "node b does not listen on port 51999 for this link"),
        ({}, {"listen_port": None}, "node b listens on no certain port for this link"),
        ({"endpoint": '"[2001:db8::c]:51901"'}, {}, "2001:db8::c is the public host of node c, not of node b"),
    ],
)
def test_the_sides_disagree(one: dict[str, object], other: dict[str, object], words: str) -> None:
    found = said(
        f'known_keys: {{x: "{KEY["f"]}"}}',
        a=node("a", link("b", **one)),
        b=node("b", link("a", **other)),
        c=node("c", link("f")),
    )
    assert len(found) == 1
    assert words in found[0]


def test_an_address_in_another_spelling_is_the_same_host() -> None:
    other = '"[2001:0DB8:0:0::b]:51902"'
    (found,) = said(a=node("a", link("b", endpoint=other)), b=node("b", link("a")))
    assert "node b does not listen on port 51902" in found


def test_another_address_than_the_public_one_may_have_forwarded_ports() -> None:
    assert said(a=node("a", link("b", endpoint='"b.example.org:443"')), b=node("b", link("a"))) == []


def test_the_mtu_of_all_links_differs() -> None:
    other = node("b", link("a")).replace("links: {peers", "links: {mtu: 1400, peers")
    (found,) = said(a=node("a", link("b")), b=other)
    assert "`mtu` of the link is 1374 at node a, and 1400 at node b" in found


def test_one_line_makes_both_sides() -> None:
    line = "links: [{between: [a, b], port: 51901, rxcost: 300, preshared_key: {file: /etc/keys/psk}}]"
    assert said(line, a=public("a"), b=public("b")) == []
    assert said(line, a=public("a"), b=public("b", host=False)) == []
    (found,) = said(line, a=public("a", host=False), b=public("b", host=False))
    assert found.startswith("fleet.yaml:6:")
    assert "nobody begins" in found


def test_wireguard_peers_have_each_other() -> None:
    assert said(a=wireguard("a", KEY["b"], more=', endpoint: "[2001:db8::b]:51820"'), b=wireguard("b", KEY["a"])) == []


def test_a_wireguard_peer_that_is_nobody() -> None:
    (found,) = said(a=wireguard("a", KEY["c"]))
    assert found.startswith("nodes/a.yaml:7:")
    assert "this WireGuard peer is nobody" in found
    assert said(f'known_keys: {{laptop: "{KEY["c"]}"}}', a=wireguard("a", KEY["c"])) == []


def test_a_wireguard_peer_that_is_the_node_itself() -> None:
    (found,) = said(a=wireguard("a", KEY["a"]))
    assert "this is the public key of `wg` of node a itself" in found


def test_a_wireguard_peer_without_a_way_back() -> None:
    more = f'known_keys: {{x: "{KEY["c"]}"}}'
    (found,) = said(more, a=wireguard("a", KEY["b"]), b=wireguard("b", KEY["c"]))
    assert "`wg` of node b does not have node a as a WireGuard peer" in found
    (found,) = said(a=wireguard("a", KEY["b"], says=False), b=public("b", "wg"))
    assert "the public key of `wg` of node a is not said" in found


def tunnel(local: str, remote: str, more: str = "") -> str:
    return f'gre: [{{name: gre-x, mode: ip6gre, local: "2001:db8::{local}", remote: "2001:db8::{remote}"{more}}}]\n'


def test_tunnels() -> None:
    assert said(a=tunnel("1", "f"), b=tunnel("2", "f")) == [], "a provider's end is nobody's of the fleet"
    assert said(a=tunnel("1", "2"), b=tunnel("2", "1")) == []
    (found,) = said(a=tunnel("1", "2"), b=tunnel("2", "f"))
    assert "node b, which has 2001:db8::2, has no tunnel back to 2001:db8::1" in found
    (found,) = said(a=tunnel("1", "2", ", key: 5"), b=tunnel("2", "1"))
    assert "`key` of the tunnel is 5 at node a, and none at node b in nodes/b.yaml:1:" in found
    (found,) = said(a=tunnel("1", "f"), b=tunnel("1", "f"))
    assert "node b has the tunnel ip6gre from 2001:db8::1 to 2001:db8::f that node a has" in found
