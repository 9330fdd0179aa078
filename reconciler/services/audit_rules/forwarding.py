"""Forwarding that is off where the intent needs it: the node is no router then, whatever its routes."""

from __future__ import annotations

from collections.abc import Iterator

from intent.document import Node
from intent.resources.sysctl import Sysctl
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield each parameter of forwarding that is asked for as 1 and is 0."""
    for key, want in case.desired.of_table(Sysctl.table):
        have = case.observation.resources.get(key)
        if not isinstance(want, Sysctl) or not isinstance(have, Sysctl) or not want.name.endswith("/forwarding"):
            continue
        if want.value != "0" and have.value == "0":
            yield Found(
                key,
                Finding(
                    "forwarding-off",
                    Severity.MAJOR,
                    have.describe(),
                    "this node does not forward packets, and the intent needs it to",
                    "look for a sysctl.conf(5) or a program that sets it",
                ),
            )
