"""The loop works on things here, unless a module says that it is about the real kinds."""

from collections.abc import Iterator

import pytest

from reconciler.core import observe
from tests.pure.core.thing import KINDS
from tests.pure.loop.rig import RealStage, ToyStage, real_stage, toy_stage


@pytest.fixture(autouse=True, scope="module")
def kinds(request: pytest.FixtureRequest) -> Iterator[None]:
    if getattr(request.module, "REAL_KINDS", False):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observe, "kinds", lambda: KINDS)
        yield


@pytest.fixture
def toys() -> ToyStage:
    """A loop that keeps toys."""
    return toy_stage()


@pytest.fixture
def node() -> RealStage:
    """A loop that keeps a whole node."""
    return real_stage()
