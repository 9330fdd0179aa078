"""Links of ours that somebody has made a part of a bridge or bond: packets pass there beside all rules and tables."""

from __future__ import annotations

from collections.abc import Iterator

from intent.document import Node
from intent.resources.link import Link
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield links that the intent asks for and that have a master, which it never gives them."""
    for view in case.observation.tables:
        for key, one in view.resources.items():
            if isinstance(one, Link) and one.master is not None and isinstance(case.desired.by_key.get(key), Link):
                yield Found(
                    None,
                    Finding(
                        "enslaved-link",
                        Severity.MAJOR,
                        one.describe(),
                        f"it is part of {one.master}: packets pass between them beside all rules",
                        f"`ip link set {one.name} nomaster`",
                    ),
                )
