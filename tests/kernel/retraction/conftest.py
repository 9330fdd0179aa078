from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, host
from tests.kernel.daemon.running import Programs, programs
from tests.kernel.retraction.two_exits import OtherExit
from tests.namespaces import namespaces


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    with host(tmp_path) as made:
        yield made


@pytest.fixture
def start(node: Host) -> Iterator[Programs]:
    with programs(node) as made:
        yield made


@pytest.fixture
def other(node: Host) -> Iterator[OtherExit]:
    with namespaces(1) as (namespace,):
        yield OtherExit(node, namespace)
