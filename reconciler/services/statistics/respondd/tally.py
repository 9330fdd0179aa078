"""What respondd counts."""

from __future__ import annotations

from enum import StrEnum

from reconciler.services.statistics.counters import Counters


class Dropped(StrEnum):
    """Why a request got no answer."""

    INTERFACE = "interface"
    """It came in by an interface that is not named."""
    SOURCE = "source"
    """Who asks is neither on the link nor of the mesh: an answer to it may hit somebody who has not asked."""
    MALFORMED = "malformed"
    """It asks for nothing that is known, or is longer than requests are."""
    RATE = "rate"
    """There were too many, of its source or in sum."""
    SIZE = "size"
    """The answer cannot be made short enough."""
    UNSENT = "unsent"
    """The kernel would not send the answer: there is no way to who asked, or a firewall before it."""
    FAULT = "fault"
    """The program failed at it."""


class Tally:
    """The counters of respondd."""

    def __init__(self, counters: Counters) -> None:
        self.requests = counters.counter(
            "stellwerk_respondd_requests_total",
            "Requests on the named interfaces that ask for something known; plain ones are those without GET.",
            ["kind"],
        )
        self.answers = counters.counter("stellwerk_respondd_answers_total", "Answers sent.")
        self.dropped = counters.counter(
            "stellwerk_respondd_dropped_total", "Datagrams that got no answer, by the reason.", ["reason"]
        )
        self.trimmed = counters.counter(
            "stellwerk_respondd_trimmed_entries_total",
            "Entries left out of answers that would be too long; those of the section neighbours are neighbours.",
            ["section"],
        )
        self.failures = counters.counter(
            "stellwerk_respondd_provider_failures_total",
            "Times that a value was left out since it could not be made.",
            ["provider"],
        )
        # So that all are seen before the first one happens.
        for kind in ("get", "plain"):
            self.requests.add(kind, count=0)
        for reason in Dropped:
            self.dropped.add(reason.value, count=0)
        for section in ("neighbours", "nodeinfo", "statistics"):
            self.trimmed.add(section, count=0)
