"""A comparison of what hangs together, of real kinds, which say which keys they may name so that not all are asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.expansion import expand
from intent.loading import loads
from intent.resources import kinds
from intent.resources.address import Address
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.file import KeyFile
from intent.resources.link import Link
from intent.resources.netlink import NetlinkRequest
from intent.resources.resource import Request, Resource
from intent.resources.route import RTPROT_STATIC, Route
from intent.resources.rule import Rule
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_port import WireGuardPort
from intent.secrets import PrivateKey
from reconciler.core.desired import Desired
from reconciler.core.observe import Observation, Observer
from reconciler.core.relations import references
from tests.pure.core.comparisons import of_all, of_what_hangs_together
from tests.pure.core.test_node_properties import SETTINGS, Node, states
from tests.pure.intent.conftest import resolved

REAL_KINDS = True
EXAMPLES = Path("examples")


@st.composite
def with_keys(draw: st.DrawFn) -> list[Resource]:
    """A desired state, perhaps with keys that were generated on the node."""
    made = draw(states())
    for number in draw(st.sets(st.integers(1, 2))):
        made.append(KeyFile(f"/keys/{number}", PrivateKey(bytes([number]) * 32)))
        made = [replace(one, key_file=f"/keys/{number}") if isinstance(one, WireGuardDevice) else one for one in made]
    return made


@st.composite
def drift(draw: st.DrawFn) -> list[tuple[str, int]]:
    """What others do, each to one of the objects that are there."""
    deeds = st.sampled_from(["delete", "delete", "alter", "add", "add"])
    return draw(st.lists(st.tuples(deeds, st.integers(0, 50)), max_size=4))


def drifted(node: Node, desired: Desired, deeds: list[tuple[str, int]]) -> None:
    """Do it; what the node refuses is not done."""
    for deed, number in deeds:
        seen = Observer([node.fake]).look(desired, node.store.load())
        there = [one for one in seen.resources.values() if one.key in seen.owned]
        if not there:
            return
        one = there[number % len(there)]
        if deed == "delete":
            node.fake.send(one.delete())
        elif deed == "alter":
            node.fake.send(altered(one))
        else:
            node.fake.send([request for made in foreign(one) for request in made.create()])


def altered(one: Resource) -> list[Request]:
    """Return what others would send to change an object in place."""
    requests: tuple[Request, ...] = ()
    if isinstance(one, Route):
        route = replace(one, protocol=RTPROT_STATIC if one.next_hops == 1 else one.protocol, gateway="fe80::77")
        requests = route.update(one, one.changes(route))
    elif isinstance(one, Link):
        link = replace(one, mtu=1290)
        requests = link.update(one, one.changes(link))
    return [request for request in requests if isinstance(request, NetlinkRequest)]


def foreign(one: Resource) -> Iterable[Resource]:
    """Return what others put beside or onto an object."""
    if isinstance(one, Link):
        yield Route(routing_table=10, destination="2001:db8:77::/48", link=one.name, protocol=RTPROT_STATIC)
        yield Address(link=one.name, address="fd00:77::1/64", protocol=0)
    elif isinstance(one, Route):
        yield replace(one, protocol=RTPROT_STATIC, metric=one.metric + 1)
    elif isinstance(one, Rule):
        yield replace(one, protocol=RTPROT_STATIC, priority=one.priority + 1)


def looked(
    before: list[Resource], after: list[Resource], deeds: list[tuple[str, int]], same: bool
) -> tuple[Desired, Observation]:
    node = Node()
    node.apply(before)
    desired = Desired(before if same else after)
    drifted(node, desired, deeds)
    return desired, Observer([node.fake]).look(desired, node.store.load())


@SETTINGS
@given(with_keys(), with_keys(), drift(), st.booleans())
def test_a_comparison_of_what_hangs_together_finds_what_one_of_all_finds(
    before: list[Resource], after: list[Resource], deeds: list[tuple[str, int]], same: bool
) -> None:
    desired, seen = looked(before, after, deeds, same)
    assert of_what_hangs_together(desired, seen) == of_all(desired, seen)


@SETTINGS
@given(with_keys(), with_keys(), drift())
def test_nothing_names_what_its_kind_does_not_speak_of(
    before: list[Resource], after: list[Resource], deeds: list[tuple[str, int]]
) -> None:
    desired, seen = looked(before, after, deeds, same=False)
    for one in (*desired, *seen.resources.values()):
        check_names(one)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_nothing_in_an_example_names_what_its_kind_does_not_speak_of(path: Path) -> None:
    node = loads(path.read_bytes(), path.name)
    for one in expand(node, resolved(node, generated=True)):
        check_names(one)


def check_names(one: Resource) -> None:
    spaces = type(one).refers_to
    assert spaces is None or {key.space for key in references(one)} <= spaces, one.describe()


def test_every_kind_of_many_objects_says_what_it_names() -> None:
    for kind in (Address, BabelAnnouncement, Route, Rule, WireGuardDevice, WireGuardPeer, WireGuardPort):
        assert kind.refers_to is not None, kind


@SETTINGS
@given(with_keys(), with_keys(), drift(), st.booleans())
def test_a_kind_that_does_not_say_what_it_names_gives_the_same_plan(
    before: list[Resource], after: list[Resource], deeds: list[tuple[str, int]], same: bool
) -> None:
    desired, seen = looked(before, after, deeds, same)
    said = of_what_hangs_together(desired, seen)
    with pytest.MonkeyPatch.context() as patch:
        for kind in {kind for members in kinds().values() for kind in members}:
            patch.setattr(kind, "refers_to", None)
        assert of_what_hangs_together(desired, seen) == said
