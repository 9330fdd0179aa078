from collections.abc import Iterator

import pytest

from reconciler.lab.laboratory import Lab, laboratory
from tests.failover.failures import gre_lab
from tests.failover.served import await_served

SERVED = {
    "alice": "exit-kiel",
    "bert": "exit-berlin",
    "clara": "exit-leipzig",
    "emil": "exit-kiel",
    "frieda": "exit-berlin",
}
"""The clients whose prefix an exit serves, and the one that is used: of two the nearer."""


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab with three exits, once for all tests here; each leaves it healed."""
    file = gre_lab(tmp_path_factory.mktemp("three-exits"))
    with laboratory(file, tmp_path_factory.mktemp("labs")) as made:
        await_served(made, SERVED)
        yield made
