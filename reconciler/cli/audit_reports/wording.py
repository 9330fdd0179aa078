"""Words and times of an audit as people read them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from intent.display import printable
from reconciler.cli.audit_reports.ranking import count_severities
from reconciler.core.audit import Audit, Finding, NodeAudit, Place, Severity, State

WORDS = {
    State.IN_SYNC: "in sync",
    State.DIFFERS: "differs",
    State.UNKNOWN: "not all seen",
    State.INVALID: "intent invalid",
}
LONGEST_TEXT = 600


def line(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text of any kind as one line that can be shown: nothing invisible, nothing endless."""
    joined = " | ".join(part.strip() for part in text[: 4 * longest].splitlines() if part.strip())
    shown = printable(joined)
    return shown if len(shown) <= longest and len(text) <= 4 * longest else shown[: longest - 1] + "…"


def place(where: Place) -> str:
    """Return a place as compilers write it: ``file:line:column``."""
    numbers = [str(number) for number in (where.line, where.column) if number]
    return ":".join([line(where.file), *numbers])


def moment(wall: float | None) -> str:
    """Return a time (seconds since 1970) in UTC, which is the same for whoever reads it: ``2026-11-24 03:12 UTC``."""
    return "never" if wall is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(wall))


def machine_moment(wall: float) -> str:
    """Return a time as RFC 3339 has it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall))


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its word: ``1 node``, ``1,000 nodes``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def counted(counts: Mapping[Any, int]) -> str:
    """Return what there is at least one of: ``2 critical, 5 minor``; empty where there is nothing."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def severities(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each severity: ``2 critical, 3 notes``; empty without any."""
    counts = count_severities(findings)
    words = {one: "notes" if one is Severity.NOTE and counts[one] > 1 else one.value for one in counts}
    return counted({words[one]: count for one, count in counts.items()})


def title(audit: Audit) -> str:
    """Return what the audit is of."""
    if audit.fleet:
        return line(audit.fleet, 100)
    return line(audit.nodes[0].node, 100) if len(audit.nodes) == 1 else plural(len(audit.nodes), "node")


def reason(node: NodeAudit) -> str:
    """Return why a node could not be compared or seen as a whole, in one line; empty where it could."""
    return line(node.problem) or "; ".join(line(one) for one in node.unseen)
