"""Routes in the mesh's table that neither babeld nor we have put there: they lead the mesh's traffic elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from intent.document import Node
from intent.features.mesh import Mesh
from intent.offences import Prefixes, is_default
from intent.resources.route import ANYWHERE, Route
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found

RTPROT_BABEL: Final = 42
"""What babeld installs (linux/rtnetlink.h)."""
_MULTICAST = "ff00::/8"


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield default routes without ``from``, whoever keeps them, and all routes that babeld has not installed."""
    mesh = node.get(Mesh)
    if mesh is None:
        return
    for route in case.others(Route):
        if not isinstance(route, Route) or route.routing_table != mesh.table or route.owned():
            continue
        if route.kind == "unicast" and _is_default(route):
            yield Found(
                route.key,
                Finding(
                    "default-without-from",
                    Severity.CRITICAL,
                    route.describe(),
                    "a default route without `from`, or as good as one, in the mesh's table: it takes the whole mesh's "
                    "traffic, whatever its source",
                    "find who keeps it, by its protocol, and remove it",
                ),
            )
        elif route.protocol != RTPROT_BABEL and route.destination != _MULTICAST:
            yield Found(
                route.key,
                Finding(
                    "foreign-route",
                    Severity.MAJOR,
                    route.describe(),
                    "a route in the mesh's table that neither babeld nor stellwerk has put there",
                    "remove it, or write it into the node file under `routes`",
                ),
            )


def _is_default(route: Route) -> bool:
    try:
        return route.source == ANYWHERE and is_default(Prefixes(route.destination, route.source))
    except ValueError:
        return False
