"""babeld that ends, begins anew and hangs, under the daemon."""

import os
import signal
import time

from tests.host import Host, until
from tests.kernel.daemon.running import Programs, exit_of, prefix, within

BACK_SECONDS = 2.0
REPAIR_SECONDS = 2.0
"""babeld is asked what it has once before it counts as hanging, a second at most."""


def _babeld(node: Host) -> int:
    return int((node.folder / "host.pid").read_text())


def _has_its_interface(node: Host) -> bool:
    return "add interface mesh0" in node.babeld_dump()


def test_a_babeld_that_begins_anew_has_its_interfaces_within_seconds(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(exit_of(2)))

    def seconds() -> float:
        """Kill babeld, start it with nothing of ours, and return how long it is without its interfaces."""
        pid = _babeld(node)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of babeld")
        daemon.until(lambda status: status["health"]["state"] == "degraded", "the lack of babeld")
        for name in ("host.pid", "babeld.sock"):
            (node.folder / name).unlink()
        node.start_babeld("-G", str(node.socket), "-c", str(node.configuration))
        begun = time.monotonic()
        until(lambda: _has_its_interface(node), "the interface")
        took = time.monotonic() - begun
        daemon.until(
            lambda status: status["sync"]["state"] == "synced" and status["health"]["state"] == "healthy", "all well"
        )
        return took

    print("seconds until babeld has its interfaces", within(seconds, BACK_SECONDS))


def test_a_babeld_that_hangs_holds_up_nothing_else(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(exit_of(2)))
    until(lambda: "interface mesh0 up true" in node.babeld_dump(), "babel at mesh0")

    def is_there(number: int) -> bool:
        return f"from {prefix(number)}" in node.namespace.ip("-6", "route", "show", "table", "10")

    os.kill(_babeld(node), signal.SIGSTOP)
    try:
        for number in range(2):
            begun = time.monotonic()
            node.namespace.ip("-6", "route", "delete", "default", "from", prefix(number), "table", "10")
            until(lambda number=number: is_there(number), "the route")  # type: ignore[misc]
            took = time.monotonic() - begun
            print("seconds to repair while babeld hangs", took)
            assert took < REPAIR_SECONDS
        status = daemon.until(lambda status: status["health"]["state"] == "degraded", "the hanging babeld")
        assert any("babel" in reason and str(node.socket) in reason for reason in status["health"]["reasons"]), status
    finally:
        os.kill(_babeld(node), signal.SIGCONT)
    daemon.until(
        lambda status: status["sync"]["state"] == "synced" and status["health"]["state"] == "healthy", "all well"
    )
