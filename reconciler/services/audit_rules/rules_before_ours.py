"""Rules of others that come before ours and lead packets of the mesh around its fences."""

from __future__ import annotations

from collections.abc import Iterator

from intent.document import Node
from intent.features.mesh import Mesh
from intent.resources.babel_interface import BabelInterface
from intent.resources.rule import PROTOCOL, Rule
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found

TABLE_LOCAL = 255
_LEADS_ON = frozenset({"lookup", "goto"})


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield rules for packets from the mesh, or from anywhere, that are met before our last fence."""
    mesh = node.get(Mesh)
    fences = [one for key, one in case.desired.of_table(Rule.table) if key in case.fences and isinstance(one, Rule)]
    if mesh is None or not fences:
        return
    last = max(one.priority for one in fences)
    inside = {one.name for one in case.desired if isinstance(one, BabelInterface)}
    for rule in case.others(Rule):
        if not isinstance(rule, Rule) or rule.protocol == PROTOCOL or rule.priority > last:
            continue
        leads_on = rule.action in _LEADS_ON and rule.routing_table not in (TABLE_LOCAL, mesh.table)
        if leads_on and (rule.iif is None or rule.iif in inside):
            some = rule.other or rule.source or rule.destination
            yield Found(
                rule.key,
                Finding(
                    "rule-before-ours",
                    Severity.MAJOR if some else Severity.CRITICAL,
                    rule.describe(),
                    "it comes before our rules around the mesh, so that packets of the mesh take another table"
                    + (" (some of them)" if some else ""),
                    f"give it a priority above {last}, or set `rule_priority` under `mesh` below {rule.priority}",
                ),
            )
