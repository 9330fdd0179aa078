"""Who serves whom in a lab of exits."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.lab.laboratory import Lab
from tests.failover.failures import CALM_GAP_SECONDS, PATIENCE_SECONDS
from tests.failover.lines import exit_of


def await_served(lab: Lab, served: Mapping[str, str]) -> None:
    """Wait until every node is in sync and each of these clients is answered through its exit."""
    lab.until_synced(PATIENCE_SECONDS)
    for client, exit_ in served.items():
        lab.until(
            lambda status, client=client, exit_=exit_: exit_of(status, client) == exit_,  # type: ignore[misc]
            f"{client} goes through {exit_}",
            PATIENCE_SECONDS,
        )
        lab.until(
            lambda status, client=client: lab.probe(client, seconds=1.0)["longest_gap"] < CALM_GAP_SECONDS,  # type: ignore[misc]
            f"{client} is answered",
            PATIENCE_SECONDS,
        )
