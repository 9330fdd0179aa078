"""What the machine refuses at a start, or makes slow, is shown and tried again: the node is kept meanwhile."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from intent.problems import IntentError
from reconciler.backends.references import Resolvers
from reconciler.backends.service_manager import ServiceManager
from reconciler.backends.state_folder import StateFolder
from reconciler.core.backend import Events
from reconciler.core.errors import BusyError, StellwerkError, VersionError
from reconciler.core.suspension import Suspension
from reconciler.services import daemon as daemon_module
from reconciler.services import news_streams
from reconciler.services.interpretation import NodeInterpreter
from reconciler.services.node_files import read_document
from tests.pure.daemon.conftest import ADDRESS, OTHER, PATIENCE_SECONDS, Running, Silent, Stage, node_text, wait_for
from tests.pure.docs.conftest import Kinds, Uplinks

# The control socket.


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "SOCKET_SECONDS", 0.05)
    monkeypatch.setattr(news_streams, "NEWS_SECONDS", 0.05)


def kept(stage: Stage, running: Running) -> None:
    wait_for(lambda: not running.thread.is_alive() or stage.addresses(), "the node is kept")
    assert running.thread.is_alive(), running.error


@pytest.mark.usefixtures("soon")
def test_a_file_in_the_way_of_the_socket_is_no_reason_not_to_keep_the_node(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.state.mkdir()
    stage.socket.write_text("something else")
    running = stage.begin()
    kept(stage, running)
    assert stage.socket.read_text() == "something else"
    stage.socket.unlink()
    running.ready()
    assert stage.status()["health"]["state"] == "healthy"
    (told,) = [one for one in caplog.records if one.getMessage() == "no control socket"]
    assert str(stage.socket) in told.fact["because"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("soon")
def test_a_group_that_is_not_known_yet_opens_the_socket_to_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grp

    own = grp.getgrgid(os.getgid())
    known = threading.Event()

    def getgrnam(name: str) -> grp.struct_group:
        if known.is_set():
            return own
        raise KeyError(name)

    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    running = stage.begin(group="mesh")
    kept(stage, running)
    assert not stage.socket.exists()
    known.set()
    running.ready()
    assert stage.socket.stat().st_gid == own.gr_gid


def test_without_a_socket_the_service_manager_is_told_that_it_is_ready(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(ServiceManager, "ready", lambda _, words: told.append(words))
    stage.state.mkdir()
    stage.socket.mkdir()
    running = stage.begin()
    wait_for(lambda: told or not running.thread.is_alive(), "it is ready")
    assert told == ["synced and degraded"]


def test_what_sees_a_trial_through_ends_without_a_socket(stage: Stage) -> None:
    stage.state.mkdir()
    stage.socket.write_text("something else")
    running = stage.begin(file=False)
    running.thread.join(PATIENCE_SECONDS)
    assert not running.thread.is_alive()
    assert isinstance(running.error, StellwerkError)
    assert "no socket" in str(running.error)


# News.


class Opened(Silent):
    """Would tell of addresses."""

    covers: ClassVar[frozenset[str]] = frozenset({"address"})


@pytest.mark.usefixtures("soon")
def test_news_that_could_not_be_had_are_shown_and_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    room = threading.Event()
    opened: list[Opened] = []

    def events() -> Events:
        if not room.is_set():
            raise BusyError("Too many open files")
        opened.append(Opened())
        return opened[-1]

    monkeypatch.setattr(stage.node, "events", events)
    stage.start()
    assert "Too many open files" in stage.cli("status")[1]
    room.set()
    wait_for(lambda: "Too many open files" not in stage.cli("status")[1], "the trouble is over")
    assert len(opened) == 1


# What is kept on disk.


def test_a_newer_state_file_ends_the_start_and_stays(stage: Stage) -> None:
    from tests.pure.state.test_state_files import sealed

    stage.state.mkdir()
    file = stage.state / "intents.json"
    file.write_text(sealed({"version": 2}))
    running = stage.begin()
    running.thread.join(PATIENCE_SECONDS)
    assert isinstance(running.error, VersionError)
    assert file.exists()
    assert stage.addresses() == []


def test_a_damaged_suspension_on_a_full_disk_suspends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.state.mkdir()
    (stage.state / "suspension.json").write_text("{")

    def full(_: StateFolder, suspension: Suspension | None) -> None:
        raise StellwerkError("No space left on device")

    monkeypatch.setattr(StateFolder, "save_suspension", full)
    stage.start()
    assert stage.status()["mode"]["mode"] == "suspended"
    assert "No space left on device" in stage.cli("history")[1]
    assert stage.addresses() == []


# A file that is being written.


def interpreter() -> NodeInterpreter:
    return NodeInterpreter(Resolvers(Kinds(), Uplinks()))


def writes(*steps: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a step taken each time that the reader waits, and nothing afterwards."""
    left = iter(steps)
    monkeypatch.setattr(time, "sleep", lambda _: next(left, lambda: None)())


def test_a_file_that_is_written_meanwhile_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(node_text(ADDRESS))
    whole = node_text(ADDRESS, OTHER)
    writes(lambda: path.write_text(""), lambda: path.write_text(whole), monkeypatch=monkeypatch)
    assert read_document(path, interpreter()).text == whole


def test_a_file_that_never_rests_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(node_text(ADDRESS))
    number = iter(range(1, 1000))

    def write() -> None:
        path.write_text(node_text(ADDRESS) + "#" * next(number))

    monkeypatch.setattr(time, "sleep", lambda _: write())
    with pytest.raises(IntentError, match="being written"):
        read_document(path, interpreter())
    assert next(number) < 100


def test_a_file_that_is_open_to_be_written_is_not_taken(tmp_path: Path) -> None:
    path, link = tmp_path / "node.yaml", tmp_path / "link"
    link.symlink_to(path)
    with open(path, "w") as writing:
        writing.write(node_text(ADDRESS))
        writing.flush()
        for name in (path, link):
            with pytest.raises(IntentError, match="being written"):
                read_document(name, interpreter())
    assert read_document(link, interpreter()).text == node_text(ADDRESS)


def test_a_new_file_that_is_written_in_two_parts_is_taken_as_a_whole(stage: Stage) -> None:
    """The first part is a node file by itself."""
    stage.start()
    stage.file.unlink()
    wait_for(lambda: stage.status()["health"]["state"] == "degraded", "it is seen to be gone")
    with open(stage.file, "w") as file:
        file.write(node_text(ADDRESS, OTHER))
        file.flush()
        # Meanwhile the daemon has had every occasion to see it.
        select.select([], [], [], 0.3)
        assert not any(OTHER in line for line in stage.addresses())
        file.write("# The other part.\n")
    wait_for(lambda: any(OTHER in line for line in stage.addresses()), "the whole is taken")
