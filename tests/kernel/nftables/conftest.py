"""A namespace of this kernel."""

from collections.abc import Iterator

import pytest

from reconciler.backends.nftables import Nftables
from tests.contract.node import ContractNode
from tests.namespaces import Namespace, namespace

__all__ = ["namespace"]


@pytest.fixture
def node(namespace: Namespace) -> Iterator[ContractNode]:
    backend = Nftables()
    yield ContractNode([backend], namespace.run)
    backend.close()
