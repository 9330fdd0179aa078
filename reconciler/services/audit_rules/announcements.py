"""What this node announces into the mesh without being asked: babeld redistributes what somebody else put there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network
from itertools import chain

from intent.document import Node
from intent.features.mesh import Mesh
from intent.offences import Prefixes, is_default
from intent.resources.address import Address
from intent.resources.babel_announcement import BabelAnnouncement
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield announcements that are not ours, and worst the default routes without ``from`` among them."""
    own = set(_own_addresses(case, node))
    for one in case.others(BabelAnnouncement):
        if not isinstance(one, BabelAnnouncement) or one.key in case.observation.owned or one.destination in own:
            continue
        default = _is_default(one)
        yield Found(
            one.key,
            Finding(
                "default-without-from" if default else "foreign-announcement",
                Severity.CRITICAL if default else Severity.MAJOR,
                one.describe(),
                "this node announces a default route without `from`: it draws the whole mesh's traffic"
                if default
                else "this node announces it into the mesh, and the intent does not ask for that",
                "look for `redistribute` in the other files and options that babeld was started with",
            ),
        )


def _own_addresses(case: Case, node: Node) -> Iterator[str]:
    """Yield the node's addresses inside the mesh's prefixes, as babeld announces them by our configuration."""
    mesh = node.get(Mesh)
    if mesh is None:
        return
    views = [view for view in case.observation.tables if view.name == Address.table]
    for one in chain.from_iterable(view.resources.values() for view in views):
        address = ip_interface(one.address).ip if isinstance(one, Address) else None
        if address is not None and any(address in prefix for prefix in mesh.prefixes):
            yield str(ip_network(address))


def _is_default(one: BabelAnnouncement) -> bool:
    try:
        return is_default(Prefixes(one.destination, one.source))
    except ValueError:
        return False
