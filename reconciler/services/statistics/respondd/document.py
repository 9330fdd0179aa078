"""The sections of an answer, put together from providers, and made short enough to be sent."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.services.statistics.counters import Counter
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.provider import Long, Provider

_LOG = logging.getLogger("stellwerk")


def encoded(value: Any) -> bytes:
    """Return the value as compact JSON in ASCII. Raises ValueError or TypeError for what JSON has not."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


class Made(NamedTuple):
    """A section, and whether nothing that belongs into it could not be made."""

    value: dict[str, Any]
    whole: bool


class Sections:
    """Makes sections.

    A provider that fails leaves its value out and is counted, and logged once until it gives a value again.
    """

    def __init__(self, figures: Figures, providers: Sequence[Provider], failures: Counter) -> None:
        self._figures = figures
        self._providers = providers
        self._failures = failures
        self._failing: set[str] = set()
        for one in providers:
            failures.add(one.name, count=0)

    def made(self, section: str) -> Made:
        """Return a section now, with each `Long` in it as it is."""
        found: dict[str, Any] = {}
        whole = True
        for one in self._providers:
            if one.section != section:
                continue
            try:
                value = one.function(self._figures)
                # What cannot be told must not take the rest with it.
                encoded(shortened(value))
                _put(found, one.place, value)
            except Exception as exc:  # noqa: BLE001 - whatever is wrong with one value, the others are told
                self._failed(one.name, exc)
                whole = False
            else:
                self._failing.discard(one.name)
        return Made(found, whole)

    def _failed(self, name: str, exc: Exception) -> None:
        self._failures.add(name)
        if name not in self._failing:
            self._failing.add(name)
            _LOG.warning("respondd leaves a value out", extra={"fact": {"value": name, "because": repr(exc)}})


def _put(section: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    if value is None:
        return
    if not place:
        section |= {name: one for name, one in value.items() if one is not None}
        return
    for name in place[:-1]:
        section = section.setdefault(name, {})
    section[place[-1]] = value


def shortened(value: Any, most: int | None = None) -> Any:
    """Return a value as JSON has it, each `Long` in it made of its first ``most`` entries."""
    if isinstance(value, Long):
        return value.make(value.entries if most is None else value.entries[:most])
    if isinstance(value, Mapping):
        return {name: shortened(one, most) for name, one in value.items()}
    return value


def longs(value: Any) -> Iterator[Long]:
    """Yield each `Long` in a value."""
    if isinstance(value, Long):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from longs(one)
