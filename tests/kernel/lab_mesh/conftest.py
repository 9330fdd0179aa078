from collections.abc import Iterator

import pytest

from reconciler.lab.laboratory import Lab, laboratory
from tests.failover.failures import LABS
from tests.failover.served import await_served

SERVED = {"alice": "exit-kiel", "clara": "exit-leipzig", "emil": "exit-kiel", "frieda": "exit-leipzig"}
"""The clients whose prefix an exit serves, and the one that is used: of two the nearer."""
UNSERVED = ("bert", "gustav")
"""The clients whose exit is not there, at a node with an uplink of its own."""


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab with two exits, once for all tests here; each leaves it healed."""
    with laboratory(LABS / "two-exits" / "lab.yaml", tmp_path_factory.mktemp("labs")) as made:
        await_served(made, SERVED)
        yield made
