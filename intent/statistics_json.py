"""The settings of statistics as JSON, from the process that reads a node file to the one that keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from intent.statistics import (
    About,
    BabelSource,
    Following,
    Listen,
    Location,
    MeshInterface,
    PageSettings,
    PrometheusSettings,
    RespondSettings,
    Statistics,
    WrittenEndpoint,
)


def to_json(settings: Statistics) -> dict[str, Any]:
    """Return the settings as JSON."""
    return asdict(settings)


def from_json(told: Mapping[str, Any]) -> Statistics:
    """Return the settings that `to_json` told. Raises LookupError, TypeError and ValueError for anything else."""
    babel, respondd, prometheus, page = (told[name] for name in ("babel", "respondd", "prometheus", "page"))
    about, names = told["about"], ("mesh_prefixes", "wireguard", "tunnels", "exits")
    return Statistics(
        node=told["node"],
        about=About(**{**about, "location": None if about["location"] is None else Location(**about["location"])}),
        babel=None if babel is None else BabelSource(**{**babel, "following": Following(babel["following"])}),
        mesh_interfaces=tuple(MeshInterface(**one) for one in told["mesh_interfaces"]),
        endpoints=tuple(WrittenEndpoint(**one) for one in told["endpoints"]),
        **{name: tuple(told[name]) for name in names},
        firewall=told["firewall"],
        respondd=None if respondd is None else RespondSettings(interfaces=tuple(respondd["interfaces"])),
        prometheus=None
        if prometheus is None
        else PrometheusSettings(**{**prometheus, "listen": Listen(**prometheus["listen"])}),
        page=None if page is None else PageSettings(listen=Listen(**page["listen"])),
    )
