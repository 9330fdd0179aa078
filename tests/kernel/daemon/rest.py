"""A daemon at rest, while another one finds by the clock what has no news."""

import time

from tests.host import Host, host, until
from tests.kernel.daemon.running import Programs, exit_of, programs

IDLE_SHARE = 0.002
IDLE_SECONDS = 30.0
SLOW_LOOK_SECONDS = 40.0


def at_rest_it_costs_nothing_and_the_clock_finds_what_has_no_news(node: Host, start: Programs) -> None:
    """Two nodes, so that the wait for the clock of the one is the rest of the other."""
    folder = node.folder / "other"
    folder.mkdir()
    with host(folder) as other, programs(other) as start_other:
        resting = start_other.synced(other.node_file(exit_of(4)))
        daemon = start.synced(node.node_file(exit_of(1)))

        def accept_ra() -> str:
            return node.namespace.program("cat", "/proc/sys/net/ipv6/conf/wan/accept_ra").strip()

        for one in (node, other):
            until(lambda one=one: "interface mesh0 up true" in one.babeld_dump(), "babel at mesh0")  # type: ignore[misc]
        assert accept_ra() == "2"
        node.namespace.program("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/wan/accept_ra")
        begun, used = time.monotonic(), resting.processor_seconds()
        until(lambda: accept_ra() == "2", "the sysctl")
        took = time.monotonic() - begun
        time.sleep(max(0.0, IDLE_SECONDS - took))  # The time is what is measured.
        share = (resting.processor_seconds() - used) / (time.monotonic() - begun)
        print(f"of a core at rest {share:.3%}; a changed sysctl found after {took:.1f} s")
        assert took < SLOW_LOOK_SECONDS
        assert daemon.status()["health"]["state"] == "healthy"
        assert share < IDLE_SHARE


SCENARIOS = (at_rest_it_costs_nothing_and_the_clock_finds_what_has_no_news,)
