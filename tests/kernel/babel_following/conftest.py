import threading
from collections.abc import Iterator

import pytest

from tests.kernel.babel.mesh import Mesh
from tests.kernel.babel_following.watching import ANNOUNCING


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    """Two nodes, of which the first one announces the routes of table 10 that are stellwerk's."""
    mesh = Mesh()
    try:
        (mesh.a.folder / ANNOUNCING).write_text(
            "import-table 10\nredistribute proto 242 allow\nredistribute local deny\n"
        )
        yield mesh
    finally:
        mesh.remove()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
