"""A change that cuts the way to the node is undone by itself: the neighbour no longer answers."""

import subprocess

from tests.host import Host, until
from tests.kernel.daemon.running import Programs

# Without an address of the neighbour's network there is no way to it.
WELL = """
version: 1
node: exit-1
addresses:
  - {interface: mesh0, addresses: ["fd00:6d65::1/64"]}
  - {interface: wan, addresses: ["fd00:77::1/64"]}
confirm: 12s
checks: [{ping: "fd00:6d65::9", timeout: 1s}]
"""
CUT = WELL.replace("fd00:6d65::1/64", "fd00:bad::1/64")


def _neighbour(node: Host) -> None:
    node.neighbour.ip("address", "add", "fd00:6d65::9/64", "dev", "mesh0", "nodad")


def _answers(node: Host) -> bool:
    done = node.namespace.run(
        lambda: subprocess.run(["ping", "-c1", "-W1", "fd00:6d65::9"], capture_output=True, check=False)
    )
    return done.returncode == 0


def the_one_who_applies_is_told(node: Host, start: Programs) -> None:
    _neighbour(node)
    well = start.client("apply", node.node_file(WELL))
    assert well.wait() == 0, well.said()
    assert "confirmed: the change stays" in well.said()
    assert _answers(node)
    cut = start.client("apply", node.node_file(CUT, "cut.yaml"))
    until(lambda: not _answers(node), "the cut")
    assert cut.wait() == 5, cut.said()
    assert "rolled back, the node is as it was before" in cut.said()
    assert "ping fd00:6d65::9" in cut.said()
    assert _answers(node)
    again = start.client("apply", node.folder / "cut.yaml")
    assert again.wait() == 4
    assert "in quarantine" in again.said()
    history = start.client("history")
    assert history.wait() == 0
    assert "rolled back" in history.said()
    assert "ping fd00:6d65::9" in history.said()


def a_changed_file_under_the_daemon_is_undone_and_held_off(node: Host, start: Programs) -> None:
    _neighbour(node)
    daemon = start.synced(node.node_file(WELL))
    node.node_file(CUT, "new.yaml").rename(node.folder / "node.yaml")
    until(lambda: not _answers(node), "the cut")
    status = daemon.until(lambda status: bool(status["intent"]["quarantine"]), "the end of the trial")
    assert "ping fd00:6d65::9" in status["intent"]["quarantine"][0]["reason"]
    until(lambda: _answers(node), "the way to the neighbour")
    status = daemon.until_synced()
    assert status["health"]["state"] == "degraded"
    assert any("is in quarantine" in reason for reason in status["health"]["reasons"])
    # The history tells, also that all is well now.
    daemon.until(lambda status: status["recent"][-1]["event"] == "checked", "the checks after it")
    assert daemon.status()["recent"][-1]["outcome"] == "all checks pass now"
    # Another one is tried again; it is well, and confirmed by the checks.
    other = WELL.replace('"fd00:6d65::1/64"', '"fd00:6d65::1/64", "fd00:6d65::2/64"')
    node.node_file(other, "new.yaml").rename(node.folder / "node.yaml")
    daemon.until(lambda status: status["recent"][-1]["event"] == "confirmed", "the checks to confirm it")
    assert daemon.until_synced()["health"]["state"] == "healthy"


SCENARIOS = (the_one_who_applies_is_told, a_changed_file_under_the_daemon_is_undone_and_held_off)
