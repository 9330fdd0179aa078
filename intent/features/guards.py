"""``guards``: what is too much to be done unasked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from intent.feature import Feature
from intent.field_types import Checked, described, wrong
from intent.references import References
from intent.resources.resource import Resource
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

DEFAULT_DELETES_PERCENT = 50
_PERCENT = re.compile(r"([0-9]{1,9})%")


@dataclass(frozen=True, eq=False)
class Percentage(Checked):
    """A share in whole percent from 1% to 100%; the models hold the number."""

    def check(self, value: object) -> int:
        """Return the number of percent."""
        match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
        if match is not None and 1 <= int(match[1]) <= 100:
            return int(match[1])
        fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100
        wrong(f"must be a share from `1%` to `100%`, not {described(value)}", f"write `{value}%`" if fits else None)

    def json_schema(self) -> dict[str, Any]:
        """Return a string type with the form."""
        return {"type": "string", "pattern": "^0*(100|[1-9][0-9]?)%$"}


class Guards(Model):
    """What is too much to be done unasked."""

    words = "the guards"

    deletes: Annotated[int, Percentage()] = Field(
        default=DEFAULT_DELETES_PERCENT,
        description="The largest share, from 1% to 100%, of what is ours on the node that a plan may delete unasked. "
        "With 100% it never asks.",
        examples=["20%"],
        json_schema_extra={"default": f"{DEFAULT_DELETES_PERCENT}%"},
    )


def expand(guards: Guards, node: Node, references: References) -> Iterator[Resource]:
    """Yield nothing: it is about the way to the objects, not about them."""
    return iter(())


FEATURE = Feature(
    name="guards",
    model=Guards,
    description="What is too much to be done unasked: it is most likely a mistake.",
    expand=expand,
)
