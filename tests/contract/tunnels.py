"""What is promised about GRE tunnels, on a node that can make them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from intent.resources.gre_link import MODES, GreLink
from intent.resources.link import ForeignLink, key
from intent.resources.resource import Change
from reconciler.core.errors import OccupiedError, StaleError
from tests.contract.addresses import on
from tests.contract.links import seen
from tests.contract.node import ContractNode, link_by_hand
from tests.contract.routes import EXIT

BY_MODE = {
    **{mode: GreLink(name="ours0", mode=mode, local="192.0.2.1", remote="192.0.2.2") for mode in MODES[:2]},
    **{mode: GreLink(name="ours0", mode=mode, local="2001:db8::1", remote="2001:db8::2") for mode in MODES[2:]},
}
EVERY_MODE = pytest.mark.parametrize("tunnel", BY_MODE.values(), ids=BY_MODE)


def variants(tunnel: GreLink) -> Iterator[GreLink]:
    """Yield the tunnel with each of its fields set to something else."""
    yield replace(tunnel, mtu=1300)
    yield replace(tunnel, up=False)
    yield replace(tunnel, ttl=0)
    yield replace(tunnel, ttl=255)
    yield replace(tunnel, tos=0x10)
    yield replace(tunnel, tunnel_key=0)
    yield replace(tunnel, tunnel_key=2**32 - 1)
    yield replace(tunnel, underlay="mesh0")
    yield replace(tunnel, ttl=7, tos=0x20, tunnel_key=5, underlay="mesh1", mtu=1290)
    if tunnel.mode.startswith("ip6"):
        yield replace(tunnel, encapsulation_limit="none")
        yield replace(tunnel, encapsulation_limit=0)
        yield replace(tunnel, encapsulation_limit=7)


def in_place(tunnel: GreLink) -> Iterator[GreLink]:
    """Yield the variants that differ in what changes in place."""
    for variant in variants(tunnel):
        if not {name for name in tunnel.replace_on if getattr(variant, name) != getattr(tunnel, name)}:
            yield variant


VARIANTS = [variant for tunnel in BY_MODE.values() for variant in variants(tunnel)]
IN_PLACE = [variant for tunnel in BY_MODE.values() for variant in in_place(tunnel)]


def found(node: ContractNode) -> GreLink:
    link = seen(node, "ours0")
    assert isinstance(link, GreLink), link
    return link


def managed(have: GreLink, want: GreLink) -> GreLink:
    """Return what is there, without what the wish leaves open."""
    return replace(have, **{one.name: None for one in fields(want) if getattr(want, one.name) is None})  # type: ignore[arg-type]


def another(tunnel: GreLink, **changes: Any) -> GreLink:
    return replace(tunnel, name="ours1", **changes)


class TunnelContract:
    @EVERY_MODE
    def test_what_is_created_is_seen_as_it_was_asked_for(self, node: ContractNode, tunnel: GreLink) -> None:
        node.make(tunnel)
        assert managed(found(node), tunnel) == tunnel
        assert tunnel.changes(found(node)) == {}
        assert found(node).owned()

    @pytest.mark.parametrize("variant", VARIANTS, ids=GreLink.describe)
    def test_every_field_is_seen_as_it_was_asked_for(self, node: ContractNode, variant: GreLink) -> None:
        node.make(variant)
        assert managed(found(node), variant) == variant

    @pytest.mark.parametrize("variant", IN_PLACE, ids=GreLink.describe)
    def test_every_field_that_changes_in_place_does_so_alone(self, node: ContractNode, variant: GreLink) -> None:
        full = replace(BY_MODE[variant.mode], ttl=64, tos=0x8, mtu=1350, tunnel_key=9, underlay="mesh0")
        if full.mode.startswith("ip6"):
            full = replace(full, encapsulation_limit=3)
        plain = BY_MODE[variant.mode]
        changed = {
            one.name: new for one in fields(full) if (new := getattr(variant, one.name)) != getattr(plain, one.name)
        }
        node.make(full)
        node.make(on("2001:db8::1/64"), on("192.0.2.1/24"))
        index = node.dump("link").context
        after = replace(full, **changed)
        requests = after.update(found(node), after.changes(found(node)))
        assert node.send(*requests) == [None] * len(requests)
        assert found(node) == after
        assert node.dump("link").context == index

    @pytest.mark.parametrize("variant", IN_PLACE, ids=GreLink.describe)
    def test_what_is_not_managed_keeps_its_value(self, node: ContractNode, variant: GreLink) -> None:
        node.make(variant)
        wish = replace(BY_MODE[variant.mode], ttl=99, tunnel_key=variant.tunnel_key, up=variant.up)
        before = found(node)
        assert node.send(*wish.update(before, {"ttl": Change(before.ttl, 99)})) == [None]
        assert found(node) == replace(before, ttl=99)

    @EVERY_MODE
    def test_created_twice_it_is_occupied(self, node: ContractNode, tunnel: GreLink) -> None:
        node.make(tunnel)
        assert isinstance(node.send(tunnel.create()[0])[0], OccupiedError)

    @EVERY_MODE
    def test_the_same_ends_are_occupied(self, node: ContractNode, tunnel: GreLink) -> None:
        node.make(tunnel)
        assert set(tunnel.claims()) & set(another(tunnel).claims())
        assert isinstance(node.send(another(tunnel).create()[0])[0], OccupiedError)

    @EVERY_MODE
    @pytest.mark.parametrize(
        "change", [{"tunnel_key": 7}, {"underlay": "mesh0"}, {"remote": None}, {"mode": None}], ids=str
    )
    def test_other_ends_are_free(self, node: ContractNode, tunnel: GreLink, change: dict[str, Any]) -> None:
        if "remote" in change:
            change = {"remote": tunnel.remote + "2"}
        if "mode" in change:
            change = {"mode": MODES[MODES.index(tunnel.mode) ^ 1]}
        other = another(tunnel, **change)
        node.make(tunnel, other)
        assert not set(tunnel.claims()) & set(other.claims())

    @EVERY_MODE
    def test_key_0_and_no_key_claim_the_same_where_the_kernel_says_so(
        self, node: ContractNode, tunnel: GreLink
    ) -> None:
        zero = another(tunnel, tunnel_key=0)
        node.make(tunnel)
        answer = node.send(zero.create()[0])[0]
        assert isinstance(answer, OccupiedError) is bool(set(tunnel.claims()) & set(zero.claims()))

    @EVERY_MODE
    def test_deleted_it_is_gone_and_deleted_again_that_is_no_error(self, node: ContractNode, tunnel: GreLink) -> None:
        node.make(tunnel, on("fd00::1/64", "ours0"), replace(EXIT, link="ours0"))
        assert node.send(*tunnel.delete()) == [None]
        assert seen(node, "ours0") is None
        assert node.rows("route", frozenset({EXIT.routing_table})) == []
        assert node.send(*tunnel.delete()) == [None]
        node.make(tunnel)

    @EVERY_MODE
    def test_an_unknown_underlay_is_stale(self, node: ContractNode, tunnel: GreLink) -> None:
        (answer,) = node.send(replace(tunnel, underlay="absent").create()[0])
        assert isinstance(answer, StaleError)
        assert seen(node, "ours0") is None

    @EVERY_MODE
    def test_every_mode_can_be_made(self, node: ContractNode, tunnel: GreLink) -> None:
        assert node.lacks(*tunnel.create()) == []

    def test_a_foreign_dummy_link_is_seen(self, node: ContractNode) -> None:
        assert node.send(link_by_hand("theirs0", "dummy")) == [None]
        assert seen(node, "theirs0") == ForeignLink(name="theirs0", mtu=1500, up=False, sort="dummy")

    def test_no_link_that_the_kernel_made_by_itself_is_a_tunnel_of_ours(self, node: ContractNode) -> None:
        node.make(*(replace(tunnel, name=f"ours-{mode}") for mode, tunnel in BY_MODE.items()))
        ours = {name: link for name, link in node.seen("link").items() if link.owned()}
        assert set(ours) == {key(f"ours-{mode}") for mode in MODES}
        claims = [claim for link in node.seen("link").values() if not link.owned() for claim in link.claims()]
        assert claims == []
