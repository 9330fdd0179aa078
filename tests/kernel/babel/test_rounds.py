"""Whole rounds with a real babeld: look, plan, apply, and nothing is left to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv6Network
from typing import cast

from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_configuration import BabelConfiguration, ExitMetric
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface
from intent.resources.file import File
from intent.resources.resource import Resource
from intent.resources.route import Route
from reconciler.backends.babeld import Babeld
from reconciler.backends.files import Files
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.core.apply import Result
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.plan import Plan
from reconciler.core.reconcile import Look, Round, apply, look
from tests.kernel.babel.mesh import Mesh, Node, until

EXIT = IPv6Network("2001:db8:1::/56")
WIRED = (("type", "wired"), ("rxcost", "96"))


class Operator:
    """Wants things of a node, round after round, and remembers what is whose."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.store = InventoryInMemory()
        self.babeld = Babeld()
        self.backends = (Rtnetlink(), Files(), self.babeld)

    def plan(self, desired: Sequence[Resource]) -> Look:
        with self._tools():
            return self.node.inside(lambda: look(desired, self.backends, self.store))

    def apply(self, desired: Sequence[Resource]) -> Round:
        def work() -> Round:
            seen = look(desired, self.backends, self.store)
            return apply(seen, desired, self.backends, self.store)

        with self._tools():
            return self.node.inside(work)

    @contextmanager
    def _tools(self) -> Iterator[None]:
        try:
            yield
        finally:
            for backend in self.backends:
                backend.close()

    def reach(self, desired: Sequence[Resource]) -> list[str]:
        """Apply, find nothing left to do, and return what was done."""
        done = self.apply(desired)
        assert not done.failed, [outcome.error for outcome in done.outcomes]
        assert done.remaining.plan.empty, done.remaining.plan
        return [f"{outcome.operation.action} {outcome.operation.key}" for outcome in done.outcomes]


def wanted(node: Node, metric: int = 0, options: tuple[tuple[str, str], ...] = WIRED) -> list[Resource]:
    path, source = str(node.configuration), str(EXIT)
    route = Route(routing_table=10, destination="::/0", source=source, link="lo")
    configuration = BabelConfiguration(10, (ExitMetric(EXIT, metric),))
    return [
        File(path, configuration.render()),
        BabelDaemon(node.socket, path, (node.script("-c", path),)),
        BabelInterface("mesh0", node.socket, options),
        route,
        BabelAnnouncement("::/0", source, node.socket, route.key, metric),
    ]


def lines(plan: Plan) -> list[str]:
    return [f"{operation.action} {operation.key}" for operation in plan.operations]


def test_from_nothing_to_an_exit_and_every_change_after_that(mesh: Mesh) -> None:
    operator, socket = Operator(mesh.a), mesh.a.socket
    assert set(operator.reach(wanted(mesh.a))) == {
        f"create file {mesh.a.configuration}",
        f"create babeld {socket}",
        "create babel interface mesh0",
        f"create route 10 ::/0 {EXIT} 1024",
        f"create babel announcement ::/0 {EXIT}",
    }
    assert operator.reach(wanted(mesh.a)) == []

    first = mesh.a.pid
    done = operator.reach(wanted(mesh.a, metric=300))
    assert f"update file {mesh.a.configuration}" in done
    assert f"create babeld {socket}" in done
    assert "create babel interface mesh0" in done, "what was added while babeld ran is added again"
    assert mesh.a.pid != first

    first = mesh.a.pid
    done = operator.reach(wanted(mesh.a, 300, (("type", "wired"), ("rxcost", "200"))))
    assert f"create babeld {socket}" in done, "new options take a restart"
    assert mesh.a.pid != first

    os.kill(cast(int, mesh.a.pid), signal.SIGTERM)
    until(lambda: not os.path.exists(socket), "babeld ends")
    done = operator.reach(wanted(mesh.a, 300, (("type", "wired"), ("rxcost", "200"))))
    assert f"create babeld {socket}" in done


def test_a_route_that_is_deleted_by_hand_is_repaired_and_announced_again(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    operator.reach(wanted(mesh.a))
    mesh.a.ip("-6", "route", "del", "default", "from", str(EXIT), "table", "10")
    assert operator.reach(wanted(mesh.a)) == [
        f"create route 10 ::/0 {EXIT} 1024",
        f"create babel announcement ::/0 {EXIT}",
    ]


def test_an_exit_that_is_no_longer_wanted_is_gone_and_babeld_runs_on(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    operator.reach(wanted(mesh.a))
    pid = mesh.a.pid
    assert operator.reach(wanted(mesh.a)[:3]) == [f"delete route 10 ::/0 {EXIT} 1024"]
    assert mesh.a.pid == pid


def test_without_a_restart_command_the_plan_says_what_to_do_and_does_the_rest(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    mesh.a.start("mesh0")
    _, _, _, route, announcement = wanted(mesh.a)
    file = wanted(mesh.a)[0]
    desired = [file, BabelDaemon(mesh.a.socket, str(mesh.a.configuration)), route, announcement]
    done = operator.apply(desired)
    assert [outcome.result for outcome in done.outcomes] == [Result.DONE, Result.DONE], done.outcomes
    daemon, waiting = done.remaining.plan.pending
    assert f"-c {mesh.a.configuration}" in daemon.reason
    assert "waits for" in waiting.reason
    mesh.a.stop()
    mesh.a.start("-c", str(mesh.a.configuration), "mesh0")
    assert operator.reach(desired) in ([f"create babel announcement ::/0 {EXIT}"], [])


def test_a_babeld_that_cannot_be_started_fails_what_needs_it_and_nothing_else(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    desired = wanted(mesh.a)
    desired[1] = BabelDaemon(mesh.a.socket, str(mesh.a.configuration), ("sh", "-c", "echo cannot >&2; exit 3"))
    done = operator.apply(desired)
    results = {outcome.operation.key.space: outcome.result for outcome in done.outcomes}
    assert results == {
        "file": Result.DONE,
        "route": Result.DONE,
        "babeld": Result.FAILED,
        "babel interface": Result.SKIPPED,
        "babel announcement": Result.SKIPPED,
    }
    assert any("status 3: cannot" in str(outcome.error) for outcome in done.outcomes)
    assert operator.reach(wanted(mesh.a))


def test_a_foreign_interface_and_announcement_stay_as_they_are(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    mesh.a.ip("addr", "add", "fd00:9::1/128", "dev", "lo")
    mesh.a.start("-C", "redistribute local ip fd00:9::/32 allow", "-c", "/dev/null", "mesh0")
    desired = [BabelDaemon(mesh.a.socket)]
    assert operator.reach(desired) == []
    assert lines(operator.plan(desired).plan) == []
    seen = operator.plan(desired).observation.resources
    assert {key.space for key in seen} >= {"babel interface", "babel announcement"}


def test_a_link_that_went_and_came_again_gets_the_options_that_are_wanted_now(mesh: Mesh) -> None:
    operator = Operator(mesh.a)

    def more(cost: str) -> list[Resource]:
        return [*wanted(mesh.a), BabelInterface("more0", mesh.a.socket, (("type", "wired"), ("rxcost", cost)))]

    def make_link() -> None:
        mesh.a.ip("link", "add", "more0", "type", "veth", "peer", "name", "more1")
        mesh.a.ip("link", "set", "more0", "up")

    make_link()
    operator.reach(more("96"))
    first = mesh.a.pid
    mesh.a.ip("link", "del", "more0")
    make_link()
    assert operator.reach(more("96")) == []
    mesh.a.ip("link", "del", "more0")
    operator.reach(wanted(mesh.a))
    assert operator.reach(wanted(mesh.a)) == []
    assert mesh.a.pid == first
    make_link()
    done = operator.reach(more("200"))
    assert f"create babeld {mesh.a.socket}" in done
    assert mesh.a.pid != first

    operator.store = InventoryInMemory()
    assert f"create babeld {mesh.a.socket}" in operator.reach(more("300"))
