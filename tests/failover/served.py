"""Who serves whom in a lab of exits, and that it is so with packets."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.lab.laboratory import Lab
from tests.failover.failures import CALM_GAP_SECONDS, PATIENCE_SECONDS
from tests.failover.lines import Lines, address_of, exit_of


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


def ways(lab: Lab, *clients: str) -> dict[str, set[str]]:
    """Return by which nodes' lines the requests of each client came in. Most must be answered: radios lose some."""
    addresses = {client: address_of(lab, client) for client in clients}
    lines = Lines(lab, *addresses.values())
    for client in clients:
        found = lab.probe(client, seconds=2.0)
        assert found["answered"] > 0.5 * found["sent"], f"{client}: {found}"
    return {client: set(lines.count(address)) for client, address in addresses.items()}
