from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, host
from tests.kernel.daemon.running import Programs, programs


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    with host(tmp_path) as made:
        yield made


@pytest.fixture
def start(node: Host) -> Iterator[Programs]:
    with programs(node) as made:
        yield made
