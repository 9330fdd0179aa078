"""A running babeld: whether it has our configuration, and what it takes."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import cast

import pytest

from intent.resources.babel_configuration import BabelConfiguration
from intent.resources.babel_daemon import NOT_LOADED, OUTDATED, AwaitBabeld, BabelDaemon, RestartBabeld
from intent.resources.babel_interface import AddBabelInterface, BabelInterface, FlushBabelInterface
from intent.resources.babel_wire import InterfaceRow
from intent.resources.file import WriteFile
from reconciler.backends import babeld_news, babeld_restart
from reconciler.backends.files import Files
from reconciler.core.backend import Dump
from reconciler.core.errors import DeniedError, RejectedError, UnreachableError, UnsupportedError
from tests.kernel.babel.mesh import Mesh, Node, dump, send, until


def look(node: Node, address: str | None = None) -> Dump:
    found = node.inside(lambda: dump(address or node.socket))
    assert isinstance(found, Dump), found
    return found


def daemon(node: Node, address: str | None = None) -> BabelDaemon:
    (found,) = [found for row in look(node, address).rows if (found := BabelDaemon.decode(row, None))]
    return found


def interfaces(node: Node) -> set[str]:
    seen = look(node)
    found = [found for row in seen.rows if (found := BabelInterface.decode(row, seen.context))]
    return {interface.name for interface in found if interface.attached}


def desired(node: Node, address: str | None = None) -> BabelDaemon:
    return BabelDaemon(address or node.socket, str(node.configuration))


def write(node: Node, table: int = 10) -> None:
    content = BabelConfiguration(table).render()
    assert Files().send([WriteFile(str(node.configuration), content, 0o644)]) == [None]


@pytest.mark.parametrize("address", [None, "[::1]:33123"])
def test_a_babeld_that_has_our_configuration_is_told_from_one_that_has_not(mesh: Mesh, address: str | None) -> None:
    write(mesh.a)
    argument = None if address is None else "33123"
    for options, lack in ((("-c", str(mesh.a.configuration)), None), ((), NOT_LOADED)):
        mesh.a.start(*options, "-C", "debug 0", "mesh0", address=argument)
        found = until(lambda: running(mesh.a, address), "babeld greets")
        assert (found.version or "").startswith("babeld-")
        assert found.pid == mesh.a.pid
        changes = desired(mesh.a, address).changes(found)
        assert [change.have for change in changes.values()] == ([] if lack is None else [lack])
        mesh.a.stop()


def running(node: Node, address: str | None) -> BabelDaemon | None:
    return next((found for row in look(node, address).rows if (found := BabelDaemon.decode(row, None))), None)


def test_a_file_that_changed_takes_a_restart_which_the_operators_command_does(mesh: Mesh) -> None:
    write(mesh.a)
    options = ("-c", str(mesh.a.configuration), "mesh0")
    script = mesh.a.script(*options)
    want = BabelDaemon(mesh.a.socket, str(mesh.a.configuration), (script,))
    assert send(want.create()) == [None], "it starts a babeld that does not run"
    assert want.changes(daemon(mesh.a)) == {}
    first = mesh.a.pid

    def outdated() -> bool:
        # A file's time says nothing about a start in the same 20 ms.
        write(mesh.a, 11)
        return [change.have for change in want.changes(daemon(mesh.a)).values()] == [OUTDATED]

    until(outdated, "babeld has an old file")
    assert send(want.create()) == [None]
    assert want.changes(daemon(mesh.a)) == {}
    assert mesh.a.pid != first


def test_a_restart_without_our_file_says_which_option_is_missing(mesh: Mesh) -> None:
    write(mesh.a)
    request = RestartBabeld((mesh.a.script("mesh0"),), mesh.a.socket, str(mesh.a.configuration))
    (error,) = send([request])
    assert isinstance(error, RejectedError)
    assert f"-c {mesh.a.configuration}" in str(error)


def test_a_command_that_restarts_nothing_is_found_out(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_restart, "START_SECONDS", 0.3)
    mesh.a.start("mesh0")
    (error,) = send([RestartBabeld(("true",), mesh.a.socket, None)])
    assert isinstance(error, UnreachableError)
    assert "same babeld" in str(error)


@pytest.mark.parametrize(
    ("command", "words"),
    [(("sh", "-c", "echo no such unit >&2; exit 5"), "status 5: no such unit"), (("/nonexistent",), "cannot be run")],
)
def test_a_failing_command_is_shown_with_what_it_said(mesh: Mesh, command: tuple[str, ...], words: str) -> None:
    (error,) = send([RestartBabeld(command, mesh.a.socket, None)])
    assert isinstance(error, RejectedError)
    assert words in str(error)


def test_a_babeld_that_does_not_run_has_no_rows_and_says_what_to_start(mesh: Mesh) -> None:
    assert list(look(mesh.a).rows) == []
    (error,) = send(desired(mesh.a).create())
    assert isinstance(error, UnreachableError)
    assert f"-G {mesh.a.socket} -c {mesh.a.configuration}" in str(error)
    mesh.a.start("mesh0")
    assert send([AwaitBabeld(mesh.a.socket, None)]) == [None]
    pid = cast(int, mesh.a.pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists(), "babeld ends")
    assert list(look(mesh.a).rows) == [], "a socket that was left behind counts as nobody there"


def test_an_interface_is_added_while_it_runs_and_seen(mesh: Mesh) -> None:
    mesh.a.ip("link", "add", "more0", "type", "veth", "peer", "name", "more1")
    mesh.a.ip("link", "set", "more0", "up")
    mesh.a.start("mesh0")
    want = BabelInterface("more0", mesh.a.socket, (("type", "tunnel"), ("rxcost", "300"), ("rtt-max", "90")))
    assert send(want.create()) == [None]
    assert interfaces(mesh.a) == {"mesh0", "more0"}
    mesh.a.ip("link", "del", "more0")
    until(lambda: interfaces(mesh.a) == {"mesh0"}, "what is left of an interface without a link is nothing")


@pytest.mark.parametrize("changed", [False, True])
def test_whose_an_interface_is_shows_in_what_babeld_was_started_with(mesh: Mesh, changed: bool) -> None:
    own = mesh.folder / "own.conf"
    own.write_text("# theirs\ninterface listed0 type wired\n")
    write(mesh.a)
    mesh.a.start("-c", str(own), "-c", str(mesh.a.configuration), "-C", "interface said0", "mesh0")
    assert send([AddBabelInterface(mesh.a.socket, "added0", ())]) == [None]
    if changed:
        time.sleep(0.05)
        own.write_text("")
    rows = [row for row in look(mesh.a).rows if isinstance(row, InterfaceRow)]
    named = dict.fromkeys(("listed0", "said0", "mesh0", "stellwerk-none"), True) | {"added0": False}
    assert {row.name: row.configured for row in rows} == (dict.fromkeys(named) if changed else named)


def test_a_wrong_option_is_told_from_a_read_only_socket(mesh: Mesh) -> None:
    mesh.a.start("mesh0")
    wrong = AddBabelInterface(mesh.a.socket, "more0", (("rxcost", "70000"),))
    (error,) = send([wrong])
    assert isinstance(error, RejectedError)
    assert "rxcost 70000" in str(error)
    mesh.a.stop()
    mesh.a.start("mesh0", writable=False)
    (error,) = send([AddBabelInterface(mesh.a.socket, "more0", ())])
    assert isinstance(error, DeniedError)
    assert "read-only" in str(error)
    assert interfaces(mesh.a) == {"mesh0"}


def test_this_babeld_is_never_told_to_flush(mesh: Mesh) -> None:
    mesh.a.start("mesh0")
    (error,) = send([FlushBabelInterface(mesh.a.socket, "mesh0")])
    assert isinstance(error, UnsupportedError)
    assert interfaces(mesh.a) == {"mesh0"}


def test_a_stopped_babeld_is_an_error_in_time(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_news, "PATIENCE_SECONDS", 0.3)
    mesh.a.start("mesh0")
    os.kill(cast(int, mesh.a.pid), signal.SIGSTOP)
    begun = time.monotonic()
    found = dump(mesh.a.socket)
    assert isinstance(found, UnreachableError)
    assert "did not greet" in str(found)
    assert time.monotonic() - begun < 2


def test_a_fifth_client_is_an_error_in_time(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_news, "PATIENCE_SECONDS", 0.3)
    mesh.a.start("mesh0")
    clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    try:
        for client in clients:
            client.connect(mesh.a.socket)
            client.recv(100)
        found = dump(mesh.a.socket)
        assert isinstance(found, UnreachableError)
        assert "four clients" in str(found)
    finally:
        for client in clients:
            client.close()
    until(lambda: interfaces(mesh.a) == {"mesh0"}, "there is room again")
