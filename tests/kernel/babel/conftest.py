import threading
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


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
