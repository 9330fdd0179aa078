from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, host


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    with host(tmp_path) as made:
        yield made
