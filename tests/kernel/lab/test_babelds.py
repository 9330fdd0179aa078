"""Starting a node's babeld anew, as a service manager would: it ends its own, and no other."""

from __future__ import annotations

from reconciler.lab.laboratory import Lab
from tests.failover.lines import run

PID = "/run/babeld.pid"
NAME = "cat /proc/$1/comm; readlink /proc/$1/ns/net"


def pid_of(lab: Lab, node: str) -> str:
    return run(lab, node, "cat", PID).strip()


def test_one_that_hears_nothing_is_killed(lab: Lab) -> None:
    stopped = pid_of(lab, "kiel")
    run(lab, "kiel", "kill", "-STOP", stopped)
    run(lab, "kiel", "restart-babeld")
    assert pid_of(lab, "kiel") != stopped
    assert lab.run("kiel", "sh", "-c", NAME, "sh", stopped).stdout.splitlines()[1:] == []
    lab.until_synced()


def test_one_of_another_node_with_the_number_of_its_own_is_left_alone(lab: Lab) -> None:
    theirs, own = pid_of(lab, "kiel"), pid_of(lab, "roof")
    before = run(lab, "kiel", "sh", "-ec", NAME, "sh", theirs)
    run(lab, "roof", "sh", "-ec", f"kill -KILL {own}; echo {theirs} > {PID}; restart-babeld")
    assert run(lab, "kiel", "sh", "-ec", NAME, "sh", theirs) == before
    assert pid_of(lab, "roof") not in (theirs, own)
    lab.until_synced()
