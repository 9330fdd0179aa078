"""What babeld announces and believes with our configuration."""

from __future__ import annotations

from contextlib import closing
from ipaddress import ip_network
from pathlib import Path
from typing import cast

from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_configuration import BabelConfiguration, ExitMetric
from intent.resources.babel_requests import AwaitWithdrawal, AwaitXroute
from intent.resources.babel_wire import XrouteRow
from intent.resources.file import WriteFile
from reconciler.backends.babeld import Babeld
from reconciler.backends.files import Files
from reconciler.core.backend import Dump
from reconciler.core.errors import BusyError, RejectedError
from tests.kernel.babel.mesh import Mesh, Node, dump, send, until

EXIT = "2001:db8:1::/56"
FAR_EXIT = "2001:db8:2::/56"
OURS = BabelConfiguration(10, (ExitMetric(ip_network(FAR_EXIT), 300),), (ip_network("fd00:1::/32"),))  # type: ignore[arg-type]


def configure(node: Node, configuration: BabelConfiguration = OURS) -> None:
    assert Files().send([WriteFile(str(node.configuration), configuration.render(), 0o644)]) == [None]


def start_both(mesh: Mesh) -> None:
    for node in mesh.nodes:
        configure(node)
        node.start("-c", str(node.configuration), "mesh0")


def announce(node: Node, source: str | None, protocol: int = 242, verb: str = "add") -> None:
    origin = [] if source is None else ["from", source]
    node.ip("-6", "route", verb, "default", *origin, "dev", "lo", "proto", str(protocol), "table", "10")


def xroutes(node: Node) -> set[tuple[str, str, int]]:
    rows = [row for row in cast(Dump, dump(node.socket)).rows if isinstance(row, XrouteRow)]
    return {(row.destination, row.source, row.metric) for row in rows}


def test_exits_are_announced_with_their_metric_and_nothing_else_is(mesh: Mesh) -> None:
    mesh.a.ip("addr", "add", "fd00:1::1/128", "dev", "lo")
    mesh.a.ip("addr", "add", "fd99:1::1/128", "dev", "lo")
    start_both(mesh)
    for source in (EXIT, FAR_EXIT, None):
        announce(mesh.a, source)
    wanted = [BabelAnnouncement("::/0", EXIT, mesh.a.socket, None, 0)]
    wanted += [BabelAnnouncement("::/0", FAR_EXIT, mesh.a.socket, None, 300)]
    assert send([request for one in wanted for request in one.create()]) == [None, None]
    assert xroutes(mesh.a) == {("::/0", EXIT, 0), ("::/0", FAR_EXIT, 300), ("fd00:1::1/128", "::/0", 0)}
    until(lambda: f"default from {EXIT}" in mesh.b.routes(), "the neighbour has the route")


def test_a_neighbours_default_without_a_source_is_not_believed(mesh: Mesh) -> None:
    careless = Path(mesh.folder / "careless.conf")
    careless.write_text("import-table 10\nredistribute proto 242 allow\nredistribute local deny\n")
    mesh.a.start("-c", str(careless), "mesh0")
    configure(mesh.b)
    mesh.b.start("-c", str(mesh.b.configuration), "mesh0")
    announce(mesh.a, None)
    announce(mesh.a, EXIT)
    assert send([AwaitXroute(mesh.a.socket, "::/0", "::/0")]) == [None]
    until(lambda: f"default from {EXIT}" in mesh.b.routes(), "the neighbour has the exit's route")
    assert "default via" not in mesh.b.routes()


def test_without_the_guard_that_default_would_be_believed(mesh: Mesh) -> None:
    careless = Path(mesh.folder / "careless.conf")
    careless.write_text("import-table 10\nexport-table 10\nredistribute proto 242 allow\nredistribute local deny\n")
    for node in mesh.nodes:
        node.start("-c", str(careless), "mesh0")
    announce(mesh.a, None)
    until(lambda: "default via" in mesh.b.routes(), "the neighbour has the default")


def test_a_route_that_is_withdrawn_first_is_gone_at_the_neighbour_at_once(mesh: Mesh) -> None:
    start_both(mesh)
    announce(mesh.a, EXIT)
    until(lambda: f"default from {EXIT}" in mesh.b.routes(), "the neighbour has the route")
    with closing(Babeld()) as backend:
        backend.dump({"babel": frozenset({mesh.a.socket})})
        (stays,) = backend.send([AwaitWithdrawal(None, "::/0", EXIT, timeout_seconds=0.2)])
        assert isinstance(stays, BusyError)
        announce(mesh.a, EXIT, 243, "replace")
        assert backend.send([AwaitWithdrawal(None, "::/0", EXIT)]) == [None]
    assert f"from {EXIT}" not in mesh.b.routes()
    mesh.a.ip("-6", "route", "del", "default", "from", EXIT, "proto", "243", "table", "10")
    until(lambda: xroutes(mesh.a) == set(), "babeld announces nothing")


def test_a_route_that_is_not_announced_is_an_error_with_its_cause(mesh: Mesh) -> None:
    mesh.a.start("mesh0")
    announce(mesh.a, EXIT)
    (error,) = send([AwaitXroute(mesh.a.socket, "::/0", EXIT, timeout_seconds=0.3)])
    assert isinstance(error, RejectedError)
    assert EXIT in str(error)
    assert "-c" in str(error)
    assert "import-table" in str(error)


def test_another_metric_than_the_one_wanted_is_an_error(mesh: Mesh) -> None:
    configure(mesh.a)
    mesh.a.start("-c", str(mesh.a.configuration), "mesh0")
    announce(mesh.a, EXIT)
    (error,) = send([AwaitXroute(mesh.a.socket, "::/0", EXIT, metric=500, timeout_seconds=0.3)])
    assert isinstance(error, RejectedError)
    assert "metric 0, not 500" in str(error)
