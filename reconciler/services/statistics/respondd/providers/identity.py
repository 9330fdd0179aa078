"""Who the node is."""

from __future__ import annotations

import os
from typing import Any

from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.provider import provider


@provider("nodeinfo", "node_id")
@provider("statistics", "node_id")
@provider("neighbours", "node_id")
def node_id(figures: Figures) -> str:
    """Return 12 hexadecimal digits, the same in all sections."""
    return figures.node_id


@provider("nodeinfo", "hostname")
def hostname(figures: Figures) -> str:
    """Return the name of the node."""
    return figures.settings.node


@provider("nodeinfo", "owner")
def owner(figures: Figures) -> dict[str, str] | None:
    """Return whom to write to."""
    contact = figures.settings.about.contact
    return None if contact is None else {"contact": contact}


@provider("nodeinfo", "system")
def system(figures: Figures) -> dict[str, str]:
    """Return the site and the domain, as far as they are known."""
    about = figures.settings.about
    told = {"site_code": about.site, "domain_code": about.domain}
    return {name: value for name, value in told.items() if value is not None}


@provider("nodeinfo", "location")
def location(figures: Figures) -> dict[str, float] | None:
    """Return where it stands, in degrees and metres."""
    place = figures.settings.about.location
    if place is None:
        return None
    told = {"latitude": place.latitude, "longitude": place.longitude}
    return told if place.altitude is None else told | {"altitude": place.altitude}


@provider("nodeinfo", "hardware")
def hardware(figures: Figures) -> dict[str, Any]:
    """Return the model and the number of processors."""
    machine = figures.system()
    model = figures.settings.about.model or machine.model
    return {"nproc": machine.cores} if model is None else {"model": model, "nproc": machine.cores}


@provider("nodeinfo", "software", "firmware")
def firmware(figures: Figures) -> dict[str, str]:
    """Return the kernel, and what keeps the node."""
    kernel = os.uname()
    return {"base": f"{kernel.sysname} {kernel.release}", "release": "stellwerk"}


@provider("nodeinfo", "software", "autoupdater")
def autoupdater(figures: Figures) -> dict[str, bool]:
    """Return that nothing updates the node by itself."""
    return {"enabled": False}


@provider("nodeinfo", "software", "babeld")
def babeld(figures: Figures) -> dict[str, str] | None:
    """Return the version of babeld, while it is there."""
    babel = figures.babel()
    return None if babel is None or babel.known is None else {"version": babel.known.version}


@provider("nodeinfo", "software", "wireguard")
def wireguard(figures: Figures) -> dict[str, bool]:
    """Return whether there are WireGuard interfaces."""
    return {"enabled": bool(figures.settings.wireguard)}
