"""Interfaces on which babeld speaks without being asked to: who is there is part of the mesh, and behind no fence."""

from __future__ import annotations

from collections.abc import Iterator

from intent.document import Node
from intent.resources.babel_configuration import NO_LINK
from intent.resources.babel_interface import BabelInterface
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield babeld's interfaces that are up and that the intent does not name."""
    for one in case.others(BabelInterface):
        if isinstance(one, BabelInterface) and one.attached and one.name != NO_LINK:
            yield Found(
                one.key,
                Finding(
                    "foreign-babel-interface",
                    Severity.MAJOR,
                    one.describe(),
                    "babeld speaks on it, and the intent does not ask for that: who is there takes part in the mesh",
                    "take it out of babeld's own files and options, or write it under `interfaces` of `mesh`",
                ),
            )
