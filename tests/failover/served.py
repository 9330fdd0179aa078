"""Who serves whom in a lab of exits, and that it is so with packets."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.lab.laboratory import Lab
from tests.failover.failures import PATIENCE_SECONDS
from tests.failover.lines import HOST, Lines, address_of, exit_of

REQUESTS = 20


def await_served(lab: Lab, served: Mapping[str, str]) -> None:
    """Wait until every node is in sync and each of these clients is answered through its exit, without a loss."""
    lab.until_synced(PATIENCE_SECONDS)
    for client, exit_ in served.items():
        lab.until(
            lambda status, client=client, exit_=exit_: exit_of(status, client) == exit_,  # type: ignore[misc]
            f"{client} goes through {exit_}",
            PATIENCE_SECONDS,
        )
        lab.until(
            lambda status, client=client: not lab.probe(client, seconds=0.5)["lost"],  # type: ignore[misc]
            f"{client} is answered",
            PATIENCE_SECONDS,
        )


def ways(lab: Lab, *clients: str) -> dict[str, dict[str, int]]:
    """Return how many of some requests of each client came in by the lines of which nodes; each must be answered."""
    addresses = {client: address_of(lab, client) for client in clients}
    lines = Lines(lab, *addresses.values())
    for client in clients:
        done = lab.run(client, "ping", "-6", "-n", "-q", "-c", str(REQUESTS), "-i", "0.05", "-W", "5", HOST)
        assert f"{REQUESTS} received" in done.stdout, f"{client}: {done.stdout}{done.stderr}"
    return {client: lines.count(address) for client, address in addresses.items()}
