"""What the daemon costs while others change routes by the million: memory and processor time."""

import subprocess
import time

import pytest

from tests.host import Host, until
from tests.kernel.daemon.running import Programs, exit_of, prefix

MOST_RESIDENT_BYTES = 60 << 20
MOST_GROWN_BYTES = 6 << 20
STORM_SHARE = 0.5
WATCHED_EVENTS, FOREIGN_EVENTS = 200_000, 800_000
EVENTS_A_BATCH = 50_000
STORM_REPAIR_SECONDS = 5.0
"""In a storm the daemon rests between two looks, two seconds at most."""


def _changes(events: int, table: int) -> bytes:
    """Return lines for ``ip -batch`` that add and delete routes of another daemon, half of each."""
    route = "2001:db8:{:x}:{:x}::/64 dev wan table {} proto bird"
    lines = []
    for block in range(0, events // 2, 500):
        routes = [route.format(0x7000 + number // 4096, number % 4096, table) for number in range(block, block + 500)]
        lines += [f"route add {one}\n" for one in routes] + [f"route delete {one}\n" for one in routes]
    return "".join(lines).encode()


@pytest.mark.alone
def test_a_million_foreign_events_cost_little_and_a_drift_is_repaired_at_once(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(exit_of(4)))
    at_start = daemon.resident_bytes()
    assert at_start < MOST_RESIDENT_BYTES
    batches = {table: _changes(EVENTS_A_BATCH, table) for table in (10, 77)}

    def storm(table: int, events: int) -> None:
        command = ["ip", "-6", "-batch", "-"]
        for _ in range(events // EVENTS_A_BATCH):
            subprocess.run(command, input=batches[table], check=True)

    begun, used = time.monotonic(), daemon.processor_seconds()
    node.namespace.run(lambda: storm(10, WATCHED_EVENTS))
    watched = (daemon.processor_seconds() - used) / (time.monotonic() - begun)
    begun, used = time.monotonic(), daemon.processor_seconds()
    node.namespace.run(lambda: storm(77, FOREIGN_EVENTS))
    foreign = (daemon.processor_seconds() - used) / (time.monotonic() - begun)

    def repaired(number: int) -> float:
        """Break what is ours and return the seconds until it is there again."""
        table = ("table", "10", "proto", "242")
        node.namespace.ip("-6", "route", "delete", "default", "from", prefix(number), *table)
        begun = time.monotonic()
        until(lambda: f"from {prefix(number)}" in node.namespace.ip("-6", "route", "show", *table), "the route")
        return time.monotonic() - begun

    after = repaired(0)
    batch = node.folder / "batch"
    batch.write_bytes(batches[10])
    amid = start.program("ip", "-6", "-batch", batch)
    in_storm = repaired(1)
    assert amid.process.poll() is None, "the storm was over too soon"
    assert amid.wait() == 0
    assert in_storm < STORM_REPAIR_SECONDS
    daemon.until_synced()
    grown = daemon.resident_bytes() - at_start
    print(f"resident {at_start >> 10} kB, grown {grown >> 10} kB; {daemon.status()['rounds']} rounds")
    print(f"of a core: {watched:.1%} in a watched table, {foreign:.2%} in another")
    print(f"repaired within {after:.3f} s, in a storm {in_storm:.3f} s")
    assert watched < STORM_SHARE
    assert foreign < STORM_SHARE
    assert grown < MOST_GROWN_BYTES
    assert daemon.resident_bytes() < MOST_RESIDENT_BYTES
    assert daemon.status()["health"]["state"] == "healthy"
