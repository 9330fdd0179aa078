"""The neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.backends.babel_table import Known, Neighbour
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.mesh import is_link_local
from reconciler.services.statistics.respondd.provider import Long, provider

INFINITY = 65535


@provider("neighbours", "babel")
def neighbours(figures: Figures) -> Long | dict[str, Any]:
    """Return for each interface its neighbours; without fresh knowledge none, rather than those of before."""
    babel = figures.babel()
    known = None if babel is None else babel.known
    if known is None:
        return {}
    own = _own_addresses(figures, known)

    def made(best: Sequence[Neighbour]) -> dict[str, Any]:
        told: dict[str, Any] = {name: _interface(address) for name, address in own.items()}
        for one in best:
            at = told.setdefault(one.interface, _interface(None))["neighbours"]
            # The first is the best one.
            at.setdefault(one.address, _link(one))
        return told

    return Long(sorted(known.neighbours, key=lambda one: (one.cost, one.interface, one.address)), made)


def _own_addresses(figures: Figures, known: Known) -> dict[str, str]:
    addresses = figures.addresses()
    found: dict[str, str] = {}
    for one in known.interfaces:
        at_hand = (own for own in addresses.get(one.name, ()) if is_link_local(own))
        if one.up and (own := one.ipv6 or next(at_hand, None)) is not None:
            found[one.name] = own
    return found


def _interface(address: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"protocol": "babel"}
    if address is not None:
        told["ll-addr"] = address
    return told | {"neighbours": {}}


def _link(one: Neighbour) -> dict[str, int]:
    """Return the costs, and as 16 bits which of the last hellos came, of either sort (RFC 8966, appendix A).

    A map makes the quality of a link from its cost, as 1 - cost / 65535: more than infinity would be less than none.
    """
    return {
        "rxcost": min(one.rxcost, INFINITY),
        "txcost": min(one.txcost, INFINITY),
        "cost": min(one.cost, INFINITY),
        "reachability": one.reach | one.ureach,
    }
