"""The core works on things here, not on links and routes."""

from collections.abc import Iterator

import pytest

from reconciler.core import observe
from tests.pure.core.thing import KINDS


@pytest.fixture(autouse=True, scope="module")
def kinds(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a look know the kinds of the module: things, unless it says that it is about the real ones."""
    if getattr(request.module, "REAL_KINDS", False):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observe, "kinds", lambda: KINDS)
        yield
