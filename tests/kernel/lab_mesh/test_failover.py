"""A client whose prefix another exit serves too goes on, whatever of its exit fails; see docs/failover.md."""

import os

import pytest

from reconciler.lab.laboratory import Lab
from tests.failover.failures import BOUND_SECONDS, FAILURES, Failure, measure
from tests.failover.table import row, write


@pytest.mark.parametrize("failure", [one for one in FAILURES if not one.gre], ids=lambda failure: failure.name)
def test_a_client_goes_on(lab: Lab, failure: Failure) -> None:
    gaps = measure(failure, lab)
    assert max(gaps.broken, gaps.healed) < BOUND_SECONDS
    if os.environ.get("STELLWERK_WRITE_FAILOVER"):
        write({failure.name: row(gaps)})
