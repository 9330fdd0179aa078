"""The table of nftables that keeps forged packets out, as somebody else left it."""

from __future__ import annotations

from collections.abc import Iterator

from intent.document import Node
from intent.resources.nftables_table import NftTable
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found

MOST_NAMED = 5


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield our table where it is there and differs, with the chains and sets that do."""
    for key, want in case.desired.of_table(NftTable.table):
        have = case.observation.resources.get(key)
        if isinstance(want, NftTable) and isinstance(have, NftTable) and (changes := want.changes(have)):
            yield Found(
                key,
                Finding(
                    "firewall-changed",
                    Severity.CRITICAL if key in case.fences else Severity.MAJOR,
                    have.describe(),
                    f"it is not as it was made: {', '.join(sorted(changes)[:MOST_NAMED])}",
                    "find out which program changes it; `stellwerk apply` puts it right",
                ),
            )
