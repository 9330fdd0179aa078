"""A plan that deletes too much is refused."""

import pytest

from reconciler.core.diff import diff
from reconciler.core.guards import DeletionsError, check_deletions
from reconciler.core.reconcile import Look
from tests.pure.core.thing import key, look_at, parse


def seen(want: str, have: str) -> Look:
    observation = look_at(have)
    return Look(observation, diff(parse(want), observation))


def refused(look: Look, largest_share: float) -> str | None:
    try:
        check_deletions(look, largest_share)
    except DeletionsError as exc:
        return str(exc)
    return None


TEN = "; ".join(f"t{number}" for number in range(10))
FIVE = "; ".join(f"t{number}" for number in range(5))


def test_the_share_itself_is_allowed_and_one_more_is_not() -> None:
    assert refused(seen(FIVE, TEN), 0.5) is None
    assert refused(seen("t0", TEN), 0.9) is None
    assert refused(seen(FIVE, TEN), 0.49) == (
        "the plan deletes 5 of the 10 objects that are ours on this node, more than 49%; if that is meant, say "
        "--allow-deletes"
    )


def test_a_share_of_all_never_asks() -> None:
    assert refused(seen("", TEN), 1.0) is None


def test_what_deletes_nothing_is_never_refused() -> None:
    assert refused(seen(TEN, TEN), 0.01) is None
    assert refused(seen(TEN, ""), 0.01) is None
    assert refused(seen("", ""), 0.01) is None


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_percentage_means_what_it_says(percent: int) -> None:
    have = [f"t{number}" for number in range(100)]
    assert refused(seen("; ".join(have[percent:]), "; ".join(have)), percent / 100) is None
    if percent < 100:
        assert refused(seen("; ".join(have[percent + 1 :]), "; ".join(have)), percent / 100)


def test_what_only_waits_to_be_deleted_counts() -> None:
    look = seen("a", "a; b; c through=d; d foreign")
    assert [held.resource.key for held in look.plan.pending] == [key("c")]
    assert refused(look, 0.5) is not None
    assert refused(look, 0.7) is None
