"""A namespace of this kernel with two links up that are not ours."""

from collections.abc import Iterator

import pytest

from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.backends.sysctl import SysctlFiles
from tests.contract.node import ContractNode
from tests.namespaces import Namespace, namespace, namespaces

__all__ = ["namespace"]


@pytest.fixture
def node(namespace: Namespace) -> Iterator[ContractNode]:
    rtnetlink = Rtnetlink()
    with namespaces(1) as (beyond,):
        for number in (0, 1):
            namespace.cable(f"mesh{number}", beyond, f"far{number}")
        yield ContractNode([rtnetlink, SysctlFiles()], namespace.run)
        namespace.run(rtnetlink.close)
