"""What becomes of operations: done, failed or skipped, and who is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from intent.resources.gre_link import GreLink
from intent.resources.link import ForeignLink
from intent.resources.link import key as link_key
from intent.resources.netlink import NetlinkRequest
from intent.resources.resource import Request
from intent.resources.route import Route
from reconciler.backends.fake import FakeNode
from reconciler.core.apply import Outcome, Result, carry_out, to_be_tried
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.diff import diff
from reconciler.core.errors import BackendError, BusyError, UnsupportedError
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.observe import Observation
from reconciler.core.reconcile import ConflictError, LackError, Look, Round, apply, look
from tests.pure.core.thing import World, key, look_at, parse

TUNNELS = [GreLink(name=f"gre{n}", mode="gre", local="192.0.2.1", remote=f"192.0.2.{n}") for n in (2, 3)]


def outcomes(want: str, refused: str, have: str = "") -> dict[str, str]:
    """Return what became of each operation: a word, and for a skipped one the failed one behind it."""
    plan = diff(parse(want), look_at(have))
    world = World({thing.name: thing for thing in parse(have)}, refuses=frozenset(refused))
    done = carry_out(plan, [world], InventoryInMemory())
    return {str(one.operation.key.name[0]): _word(one) for one in done}


def _word(outcome: Outcome) -> str:
    return str(outcome.result) if outcome.because is None else f"{outcome.result} for {outcome.because.name[0]}"


@pytest.mark.parametrize(
    ("want", "refused", "words"),
    [
        ("a; b needs=a", "", {"a": "done", "b": "done"}),
        ("a; b needs=a", "a", {"a": "failed", "b": "skipped for a"}),
        ("a; b needs=a; c needs=b", "a", {"a": "failed", "b": "skipped for a", "c": "skipped for a"}),
        ("a; b needs=a; c", "a", {"a": "failed", "b": "skipped for a", "c": "done"}),
        ("a; b needs=a; c needs=b", "b", {"a": "done", "b": "failed", "c": "skipped for b"}),
        ("a; b; c needs=a,b", "b", {"a": "done", "b": "failed", "c": "skipped for b"}),
    ],
)
def test_a_failure_stops_what_depends_on_it(want: str, refused: str, words: dict[str, str]) -> None:
    assert outcomes(want, refused) == words


@pytest.mark.parametrize(
    ("have", "want", "words"),
    [
        # Two parts of one whole, such as the old and the new address of a link.
        ("a; b whole=a", "a; f whole=a", {"f": "failed", "b": "skipped for f"}),
        ("a; b whole=a", "a; f; c needs=f whole=a", {"f": "failed", "c": "skipped for f", "b": "skipped for f"}),
        ("a; b whole=a; f whole=a", "a; f whole=a size=1", {"f": "failed", "b": "skipped for f"}),
        ("a; c; b needs=c whole=a", "a; f whole=a", {"f": "failed", "b": "skipped for f", "c": "skipped for f"}),
        # What has nothing in common with what failed.
        ("a; c; b whole=c", "a; c; f whole=a", {"f": "failed", "b": "done"}),
        ("a; b whole=a", "a; f", {"f": "failed", "b": "done"}),
        ("a; b", "f", {"f": "failed", "a": "done", "b": "done"}),
        # What the making of something else waits for.
        (
            "a; b whole=a holds=p; f whole=a",
            "a; f whole=a size=1; c holds=p",
            {"f": "failed", "b": "done", "c": "done"},
        ),
    ],
)
def test_what_a_failed_one_was_to_stand_in_for_is_not_removed(have: str, want: str, words: dict[str, str]) -> None:
    assert outcomes(want, "f", have) == words


@pytest.mark.parametrize(("link", "removed"), [("mesh0", False), ("mesh1", True)])
def test_a_route_is_removed_where_the_failed_one_of_its_table_goes_another_way(link: str, removed: bool) -> None:
    have = Route(routing_table=10, destination="::/0", source="2001:db8:1::/48", link="mesh0")
    want = replace(have, source="2001:db8:2::/48", link=link)
    fake = FakeNode()
    for name in ("mesh0", "mesh1"):
        fake.kernel.add_link(name, "veth", up=True)
    assert fake.send(have.create()) == [None]
    seen = Observation(
        {have.key: have, **{link_key(n): ForeignLink(name=n) for n in ("mesh0", "mesh1")}}, frozenset({have.key})
    )
    fake.fail(1, BusyError("not now"))
    creation, removal = carry_out(diff([want], seen), [fake], InventoryInMemory())
    assert creation.result is Result.FAILED
    assert (removal.operation.key, removal.result is Result.DONE) == (have.key, removed)


@pytest.mark.parametrize(
    ("want", "held", "have", "tried"),
    [
        ("a; b needs=a", "", "", "ab"),
        ("a; b needs=a; c", "a", "", "c"),
        ("a; b needs=a; c needs=b", "a", "", ""),
        # What a held one is to stand in for is not removed meanwhile.
        ("a; f whole=a", "f", "a; b whole=a", ""),
    ],
)
def test_what_is_held_is_not_tried_nor_what_waits_for_it(want: str, held: str, have: str, tried: str) -> None:
    plan = diff(parse(want), look_at(have))
    keys = frozenset(map(key, held))
    assert "".join(sorted(str(one.key.name[0]) for one in to_be_tried(plan, keys))) == tried
    world = World({thing.name: thing for thing in parse(have)})
    done = carry_out(plan, [world], InventoryInMemory(), held=keys)
    assert {str(one.operation.key.name[0]) for one in done if one.result is not Result.SKIPPED} == set(tried)


def test_a_failed_deletion_stops_the_creation_after_it() -> None:
    world = World({"a": parse("a")[0]}, refuses=frozenset("a"))
    plan = diff(parse("a colour=red"), look_at("a"))
    deletion, creation = carry_out(plan, [world], InventoryInMemory())
    assert (deletion.result, creation.result, creation.because) == (Result.FAILED, Result.SKIPPED, key("a"))


def test_each_outcome_is_told_when_it_is_known() -> None:
    told: list[str] = []
    world = World(refuses=frozenset("b"))
    plan = diff(parse("a; b; c needs=a"), look_at(""))
    carry_out(plan, [world], InventoryInMemory(), lambda outcome: told.append(f"{outcome.operation.key.name[0]}"))
    assert told == ["a", "b", "c"]
    assert world.done == ["+a", "+c"]


def test_an_object_whose_first_request_failed_is_not_touched_again() -> None:
    fake = FakeNode()
    fake.fail(1, BusyError("not now"))
    plan = diff(TUNNELS, Observation())
    first, second = carry_out(plan, [fake], InventoryInMemory())
    assert isinstance(first.error, BusyError)
    assert (first.result, second.result) == (Result.FAILED, Result.DONE)
    assert [link.name for link in fake.kernel.links] == ["lo", "gre3"]
    about = [str(request.about) for request in fake.requests_seen if isinstance(request, NetlinkRequest)]
    assert [line for line in about if "gre2" in line] == [about[0]]


def test_the_first_requests_of_all_go_out_together() -> None:
    fake = FakeNode()
    carry_out(diff(TUNNELS, Observation()), [fake], InventoryInMemory())
    about = [str(request.about) for request in fake.requests_seen if isinstance(request, NetlinkRequest)]
    assert [line.partition(" type")[0] for line in about] == [
        *("create link gre2", "create link gre3", "set link gre2", "set link gre3", "set link gre2", "set link gre3")
    ]


def test_a_request_that_no_backend_takes_is_unsupported() -> None:
    (outcome,) = carry_out(diff(TUNNELS[:1], Observation()), [World()], InventoryInMemory())
    assert isinstance(outcome.error, UnsupportedError)
    assert "NetlinkRequest" in str(outcome.error)


def test_what_the_node_lacks_is_refused_before_anything_is_changed() -> None:
    world, store = World(), InventoryInMemory()
    lack = UnsupportedError("no such kind")
    seen = Look(look_at(""), diff(parse("a"), look_at("")), (lack,))
    with pytest.raises(LackError, match="no such kind"):
        apply(seen, parse("a"), [world], store)
    assert (world.done, store.load().entries) == ([], {})


def test_a_look_asks_each_backend_what_it_lacks_for_its_own_requests_only() -> None:
    @dataclass
    class Poor(World):
        def lacks(self, requests: Sequence[Request]) -> list[UnsupportedError]:
            return [UnsupportedError(f"{len(list(requests))} requests")]

    seen = look(parse("a; b"), [Poor(), FakeNode()], InventoryInMemory())
    assert [str(lack) for lack in seen.lacks] == ["2 requests"]
    assert look([], [Poor(), FakeNode()], InventoryInMemory()).lacks == ()


def test_conflicts_are_refused_before_anything_is_changed() -> None:
    world = World({"a": parse("a foreign")[0], "b": parse("b")[0]})
    store = InventoryInMemory()
    desired = parse("a size=1; c")
    with pytest.raises(ConflictError, match="thing a: not ours and different"):
        apply(look(desired, [world], store), desired, [world], store)
    assert world.done == []


class Forgetful(Backend):
    """A backend that says that it has done what it has not."""

    tables = World.tables
    requests = World.requests

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        return dict.fromkeys(wanted, Dump([]))

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        return [None] * len(list(requests))

    def close(self) -> None:
        pass


def test_what_is_not_seen_afterwards_has_failed_whatever_was_answered() -> None:
    desired, store = parse("a"), InventoryInMemory()
    done = apply(look(desired, [Forgetful()], store), desired, [Forgetful()], store)
    assert [outcome.result for outcome in done.outcomes] == [Result.DONE]
    assert done.failed


def test_a_table_that_cannot_be_seen_is_a_failure() -> None:
    world, store = World(hidden=BusyError("not now")), InventoryInMemory()
    done = apply(look(parse("a"), [world], store), parse("a"), [world], store)
    assert done.outcomes == ()
    assert done.failed


def test_what_is_pending_is_no_failure() -> None:
    world, store = World(), InventoryInMemory()
    desired = parse("a hindered=not-now")
    done: Round = apply(look(desired, [world], store), desired, [world], store)
    assert not done.failed
    assert len(done.remaining.plan.pending) == 1
