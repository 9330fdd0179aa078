"""A client goes on when what carries its exit's traffic is a GRE tunnel, and that fails."""

import pytest

from reconciler.lab.laboratory import Lab
from tests.failover.failures import FAILURES, Failure, measure

BOUND_SECONDS = 120.0
"""An emulated machine is ten times as slow, and more."""


@pytest.mark.parametrize("failure", [one for one in FAILURES if one.gre], ids=lambda failure: failure.name)
def test_a_client_goes_on(lab: Lab, failure: Failure) -> None:
    gaps = measure(failure, lab)
    assert max(gaps.broken, gaps.healed) < BOUND_SECONDS
