"""The contracts on the fake."""

import pytest

from reconciler.backends.fake import FakeNode
from tests.contract.node import ContractNode


@pytest.fixture
def node() -> ContractNode:
    fake = FakeNode()
    for name in ("mesh0", "mesh1"):
        fake.kernel.add_link(name, "veth", up=True)
    return ContractNode([fake])
