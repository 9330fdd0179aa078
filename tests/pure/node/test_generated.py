"""Generated node files on the fake node: whatever was there, the next plan is empty, nothing is left over."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intent.expansion import expand
from intent.loading import loads
from intent.resources.resource import Resource
from reconciler.backends.fake import FakeNode, KilledError
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.reconcile import Round, apply, look
from tests.intents import careful_node_files
from tests.pure.intent.conftest import resolved


def _desired(text: str) -> tuple[Resource, ...]:
    node = loads(text.replace("$folder", "/run/test").encode(), "generated.yaml")
    return tuple(expand(node, resolved(node, generated=True)))


def _node() -> FakeNode:
    node = FakeNode()
    for name in ("mesh0", "wan"):
        node.kernel.add_link(name, "veth", up=True)
    return node


def _round(node: FakeNode, desired: tuple[Resource, ...], store: InventoryInMemory) -> Round:
    return apply(look(desired, [node], store), desired, [node], store)


def _check_in_sync(done: Round) -> None:
    """Check that nothing is left to do but what waits for a babeld that is not ours to restart any more."""
    left = done.remaining.plan
    assert (left.operations, left.conflicts, left.unseen) == ((), (), {})
    assert {held.resource.key.space for held in left.pending} <= {"babel interface", "file", "rule"}


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(careful_node_files(), min_size=1, max_size=3))
def test_after_apply_the_plan_is_empty_whatever_was_there(texts: list[str]) -> None:
    node, store = _node(), InventoryInMemory()
    fresh = node.describe()
    for text in texts:
        desired = _desired(text)
        done = _round(node, desired, store)
        assert not done.failed, [str(outcome.error) for outcome in done.outcomes if outcome.error]
        _check_in_sync(done)
    _round(node, (), store)
    left = [line for line in node.describe() if line not in fresh]
    # Keys are a node's identity and stay; an old babeld keeps what it was told until its restart.
    assert [line for line in left if "/keys/" not in line and "babel" not in line] == []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(careful_node_files(), careful_node_files(), st.integers(0, 60))
def test_killed_half_way_the_next_apply_ends_where_it_should(first: str, second: str, life: int) -> None:
    node, store = _node(), InventoryInMemory()
    _round(node, _desired(first), store)
    desired = _desired(second)
    node.die_after(life)
    try:
        _round(node, desired, store)
    except KilledError:
        node.recover()
    done = _round(node, desired, store)
    assert not done.failed, [str(outcome.error) for outcome in done.outcomes if outcome.error]
    _check_in_sync(done)
