"""A client whose prefix another exit serves too goes on, whatever of its exit fails; see docs/failover.md."""

import os
from collections.abc import Callable

import pytest

from reconciler.lab.laboratory import Lab
from tests.failover.failures import BOUND_SECONDS, FAILURES, KIEL, Failure, inside, measure, nothing
from tests.failover.table import row, write


@pytest.mark.parametrize("failure", [one for one in FAILURES if not one.gre], ids=lambda failure: failure.name)
def test_a_client_goes_on(lab: Lab, failure: Failure) -> None:
    gaps = measure(failure, lab)
    assert max(gaps.broken, gaps.healed) < BOUND_SECONDS
    if os.environ.get("STELLWERK_WRITE_FAILOVER"):
        write({failure.name: row(gaps)})


@pytest.mark.parametrize("mended", [None, inside(KIEL, "cat /run/babeld.pid")], ids=["moved", "mended"])
def test_where_nothing_breaks_nothing_is_measured(lab: Lab, mended: Callable[[Lab], str] | None) -> None:
    with pytest.raises(AssertionError, match=r"still goes through exit-kiel|nothing broke"):
        measure(Failure(name="none", words="nothing", break_=nothing, heal=nothing, mended=mended), lab)
