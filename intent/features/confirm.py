"""``confirm``: how long a change may stand unconfirmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field, RootModel

from intent.durations import Duration
from intent.feature import Feature
from intent.references import References
from intent.resources.resource import Resource

if TYPE_CHECKING:
    from intent.document import Node

ConfirmSeconds = Annotated[int, Duration(10, 3600)]


class Confirm(RootModel[ConfirmSeconds]):
    """The time in seconds."""

    model_config = ConfigDict(strict=True, frozen=True)

    root: ConfirmSeconds = Field(examples=["60s", "1m30s"])


def expand(confirm: Confirm, node: Node, references: References) -> Iterator[Resource]:
    """Yield nothing: it is about the way to the objects, not about them."""
    return iter(())


FEATURE = Feature(
    name="confirm",
    model=Confirm,
    description="How long a change may stand unconfirmed before it is undone, from 10s to 1h. You confirm it, or "
    "all `checks` do by passing. Left out, it is 60s with `checks`, and without them changes stand at once.",
    expand=expand,
)
