"""What an exit's way out must be like for the exit to be offered: its interface, its checks, and no drain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from intent.checks import DEFAULT_TIMEOUT_SECONDS, Check, Ping
from intent.durations import Duration
from intent.feature import Finding
from intent.features.checks import CheckItem, findings, value
from intent.field_types import Between
from intent.fitness import CheckedHealth, Drained, LinkCarrier, WayOut, withheld
from intent.offers import Withheld
from intent.references import Reference, References
from intent.tree import Path
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

DEFAULT_EVERY_SECONDS = 2


class HealthTerms(Model):
    """How the checks of exits are judged."""

    words = "how the checks of exits are judged"

    every: Annotated[int, Duration(1, 300)] = Field(
        default=DEFAULT_EVERY_SECONDS,
        description="How often the checks of an exit are carried out, from 1s to 5m.",
        examples=["2s"],
        json_schema_extra={"default": f"{DEFAULT_EVERY_SECONDS}s"},
    )
    fall: Annotated[int, Between(1, 100)] = Field(
        default=3, description="After so many failures in a row an exit is withdrawn, 1–100.", examples=[3]
    )
    rise: Annotated[int, Between(1, 100)] = Field(
        default=5,
        description="After so many passes in a row it is taken back, 1–100. One that falls again soon after takes "
        "twice as long each time, up to five minutes.",
        examples=[5],
    )


def check_findings(path: Path, items: tuple[CheckItem, ...], node: Node) -> Iterator[Finding]:
    """Yield what is wrong with the checks that stand at a path."""
    for finding in findings(items, node):
        yield replace(finding, path=(*path, *finding.path))


class Fitness:
    """What is referred to for one exit, by its name."""

    def __init__(
        self, name: str, carrier: LinkCarrier, checks: tuple[Check, ...], terms: HealthTerms, way_out: WayOut | None
    ) -> None:
        """Take the name, the interface that leads out, the checks and how they are judged, and what is announced."""
        self._drained = Drained(name)
        self._carrier = carrier
        # Also without checks: once there are some, what was announced stays so until they have said something.
        self._health = CheckedHealth(name, checks, terms.every, terms.fall, terms.rise, way_out)

    def references(self) -> Iterator[Reference[Any]]:
        """Yield what has to be looked up."""
        yield self._drained
        yield self._carrier
        yield self._health

    def withheld(self, references: References) -> Withheld | None:
        """Return why the exit is not to be offered, ``None`` when it is."""
        carriers = {self._carrier.name: references[self._carrier]}
        return withheld(references[self._drained], carriers, references[self._health])


def check_values(items: tuple[CheckItem, ...], terms: HealthTerms, interface: str, node: Node) -> tuple[Check, ...]:
    """Return the checks that items without problems mean, for a way out through an interface."""
    return tuple(one for item in items if (one := _value(item, terms, interface, node)) is not None)


def _value(item: CheckItem, terms: HealthTerms, interface: str, node: Node) -> Check | None:
    """Return a check that, where it says nothing else, goes out there and has failed well before the next begins."""
    found = value(item, node)
    if isinstance(found, Ping) and found.interface is None:
        # Routing may have another way, which says nothing about this one.
        found = replace(found, interface=interface)
    if found is None or "timeout" in item.model_fields_set:
        return found
    return replace(found, timeout_seconds=max(1, min(DEFAULT_TIMEOUT_SECONDS, terms.every // 2)))
