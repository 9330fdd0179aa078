from collections.abc import Iterator

import pytest

from tests.kernel.babel.mesh import Mesh


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    mesh = Mesh()
    try:
        yield mesh
    finally:
        mesh.remove()
