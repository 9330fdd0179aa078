from collections.abc import Iterator

import pytest

from tests.kernel.offenders.row import Row, row


@pytest.fixture
def nodes() -> Iterator[Row]:
    with row() as made:
        yield made
