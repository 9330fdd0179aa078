"""What is wrong between nodes, before it is a problem with the line that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from intent.fleet.rendered import Origin
from intent.fleet.repository import Fleet
from intent.problems import Problem

OTHER = "{other}"
_MOST_NAMED = 5


class Told(NamedTuple):
    """What is wrong, where it is written, and what would be right. Line 0 is the whole of a file.

    ``other`` is a place elsewhere that belongs to it, which stands at `OTHER` in the texts.
    """

    at: Origin
    message: str
    suggestion: str | None = None
    other: Origin | None = None

    def problem(self, fleet: Fleet) -> Problem:
        """Return it as a problem of the fleet."""
        if self.other is None:
            return fleet.problem(self.at, self.message, self.suggestion)
        there = fleet.shown(self.other)
        advice = None if self.suggestion is None else self.suggestion.replace(OTHER, there)
        return fleet.problem(self.at, self.message.replace(OTHER, there), advice)


def named(nodes: Sequence[str]) -> tuple[str, str]:
    """Return what a message calls some nodes, and the verb *to have* that goes with it."""
    if len(nodes) == 1:
        return f"node {nodes[0]}", "has"
    more = len(nodes) - _MOST_NAMED
    if more > 0:
        return f"nodes {', '.join(nodes[:_MOST_NAMED])} and {more} more", "have"
    return f"nodes {', '.join(nodes[:-1])} and {nodes[-1]}", "have"
