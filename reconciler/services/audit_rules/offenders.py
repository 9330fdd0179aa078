"""Routes that others announce and that touch what this node announces, by what they do here."""

from __future__ import annotations

from collections.abc import Iterator

from intent.document import Node
from intent.offences import Offence
from intent.resources.babel_route import BabelRoute
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found

MOST = 200
"""How many are named; in a flood the others are no news."""


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield who announces what is not theirs: critical where it draws traffic, a note where it is refused."""
    count = 0
    for one in case.others(BabelRoute):
        notice = one.notice(case.desired.by_key, case.observation.resources)
        if notice is None or not isinstance(one, BabelRoute):
            continue
        count += 1
        if count > MOST:
            return
        default = one.touch.offence is Offence.DEFAULT
        yield Found(
            one.key,
            Finding(
                "default-without-from" if default else "offender",
                Severity.CRITICAL if notice.harmful else Severity.NOTE,
                one.describe(),
                f"{notice.words}: {notice.state}",
                "ask who runs that router to stop it",
            ),
        )
