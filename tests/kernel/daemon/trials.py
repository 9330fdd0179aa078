"""A change that is to be confirmed ends confirmed or undone, whoever dies meanwhile."""

import os
import pty
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path

from reconciler.backends.state_folder import StateFolder
from tests.host import Host, until
from tests.kernel.daemon.running import STELLWERK, Daemon, Program, Programs, alive, holders

BEFORE = """
version: 1
node: exit-1
addresses: [{interface: mesh0, addresses: ["fd00:6d65::1/64", "fd00:6d65::2/64"]}]
"""
CHANGED = BEFORE.replace("::2/64", "::3/64")
SECONDS = 6


class Scene:
    """A host that is held at one file, and a trial of another one."""

    def __init__(self, node: Host, start: Programs) -> None:
        self.node = node
        self.start = start
        self.before = node.node_file(BEFORE, "before.yaml")
        self.changed = node.node_file(CHANGED, "changed.yaml")
        self.file = node.node_file(BEFORE)
        self.state = StateFolder(node.folder / "state")

    def say(self, *words: str | Path) -> tuple[int, str]:
        """Return the exit code and the words of a command."""
        client = self.start.client(*words)
        return client.wait(), client.said()

    def daemon(self) -> Daemon:
        """Start a daemon, and wait until the node is as its file says."""
        daemon = self.start.synced(self.file)
        assert self.at() == {1, 2}
        return daemon

    def alone(self) -> None:
        """Bring the node to the file without a daemon."""
        code, said = self.say("apply", self.before)
        assert code == 0, said
        assert self.at() == {1, 2}

    def begin(self, seconds: int = SECONDS) -> Program:
        """Begin the trial; return the client, which has ended."""
        client = self.start.client("apply", self.changed, "--confirm", f"{seconds}s")
        assert client.wait() == 0, client.said()
        assert "say `stellwerk confirm` within" in client.said()
        assert self.at() == {1, 3}
        return client

    def begin_and_lose_the_holder(self, seconds: int = SECONDS) -> None:
        """Begin the trial, and kill who sees it through."""
        self.begin(seconds)
        (holder,) = holders(self.node)
        os.kill(holder, signal.SIGKILL)
        until(lambda: not alive(holder), "the end of who saw the trial through")

    def at(self) -> set[int]:
        """Return the numbers of the addresses of the files that the node has."""
        shown = self.node.namespace.ip("-6", "address", "show", "dev", "mesh0")
        return {number for number in (1, 2, 3) if f"fd00:6d65::{number}/64" in shown}

    def is_undone(self) -> None:
        """Wait until the node is as it was, and nobody sees a trial through any more; see that this is on disk."""
        until(lambda: self.at() == {1, 2}, "the addresses of before")
        until(lambda: self.state.load_intents().trial is None, "the end of the trial")
        until(lambda: not holders(self.node), "the end of who saw the trial through")
        intents = self.state.load_intents()
        assert intents.adopted is not None
        assert intents.adopted.text == BEFORE
        assert len(intents.quarantine) == 1

    def is_over(self) -> None:
        """Wait until the time of the trial is over, which nobody notices."""
        trial = self.state.load_intents().trial
        assert trial is not None
        until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > trial.deadline, "the time of the trial")


def confirmed_alone(scene: Scene) -> None:
    scene.alone()
    scene.begin(60)
    code, said = scene.say("status")
    assert code in (0, 2)
    assert "on trial" in said
    assert scene.say("confirm") == (0, "confirmed: the change stays\n")
    until(lambda: not holders(scene.node), "the end of who saw the trial through")
    assert scene.at() == {1, 3}
    code, said = scene.say("confirm")
    assert code == 4
    assert "nothing waits to be confirmed" in said


def confirmed_by_a_daemon(scene: Scene) -> None:
    daemon = scene.daemon()
    scene.begin(60)
    assert scene.say("confirm") == (0, "confirmed: the change stays\n")
    # What was given by hand holds until the node file changes, also over a restart.
    assert daemon.until_synced()["intent"]["by_hand"]
    daemon.end()
    again = scene.start.synced(scene.file)
    assert scene.at() == {1, 3}
    scene.node.node_file(BEFORE + "guards: {deletes: 60%}\n", "new.yaml").rename(scene.file)
    again.until(lambda status: not status["intent"]["by_hand"], "the word of the node file")
    until(lambda: scene.at() == {1, 2}, "what the node file says now")


def undone_alone(scene: Scene) -> None:
    scene.alone()
    scene.begin()
    scene.is_undone()
    code, said = scene.say("confirm")
    assert code == 4
    assert "was rolled back: not confirmed in time" in said
    code, said = scene.say("apply", scene.changed)
    assert code == 4
    assert "in quarantine" in said
    assert "`stellwerk retry`" in said
    assert "rolled back" in scene.say("history")[1]
    assert scene.say("retry")[0] == 0
    assert scene.say("apply", scene.changed)[0] == 0
    assert scene.at() == {1, 3}


def undone_by_a_daemon(scene: Scene) -> None:
    daemon = scene.daemon()
    scene.begin()
    scene.is_undone()
    status = daemon.until_synced()
    assert [fact["event"] for fact in status["recent"]][-2:] == ["rolled back", "changed"]


def undone_by_hand_alone(scene: Scene) -> None:
    scene.alone()
    scene.begin(60)
    assert scene.say("rollback") == (0, "rolled back: the node is as it was before\n")
    scene.is_undone()


def undone_by_hand_with_a_daemon(scene: Scene) -> None:
    scene.daemon()
    scene.begin(60)
    assert scene.say("rollback") == (0, "rolled back: the node is as it was before\n")
    scene.is_undone()


def the_first_one_ever_is_undone_to_nothing(scene: Scene) -> None:
    scene.begin()
    until(lambda: scene.at() == set(), "nothing that is ours")
    until(lambda: not holders(scene.node), "the end of who saw the trial through")


def client_killed_at_the_arming(scene: Scene) -> None:
    scene.alone()
    _kill_the_client_at_the_arming(scene)
    scene.is_undone()


def client_killed_at_the_arming_with_a_daemon(scene: Scene) -> None:
    scene.daemon()
    _kill_the_client_at_the_arming(scene)
    scene.is_undone()


def _kill_the_client_at_the_arming(scene: Scene) -> None:
    client = scene.start.client("apply", scene.changed, "--confirm", f"{SECONDS}s")
    while scene.state.load_intents().trial is None:
        assert client.process.poll() is None, client.said()
    client.end(signal.SIGKILL)
    # The change goes on to its end: half of it would be worse.
    until(lambda: scene.at() == {1, 3}, "the change")


def terminal_gone(scene: Scene) -> None:
    """The session of the login ends, and its terminal with it: SIGHUP to all that is in it."""
    scene.alone()
    pid, terminal = scene.node.namespace.run(lambda: _in_terminal(scene))
    until(lambda: scene.at() == {1, 3}, "the change")
    os.close(terminal)
    until(lambda: not alive(pid), "the end of the shell")
    os.waitpid(pid, 0)
    assert holders(scene.node)
    scene.is_undone()


def _in_terminal(scene: Scene) -> tuple[int, int]:
    """Begin a trial in a terminal of its own, by a shell that stays; return the shell and the other end."""
    words = ["apply", str(scene.changed), "--confirm", f"{SECONDS}s", *scene.node.state()]
    command = " ".join(f"'{word}'" for word in (*STELLWERK, *words))
    environment = dict(os.environ)
    pid, terminal = pty.fork()
    if pid == 0:
        # A login's shell does not ignore it, even where whoever runs the tests does.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.execve("/bin/sh", ["sh", "-c", f"{command}; sleep 1000"], environment)
    return pid, terminal


def holder_killed_then_confirmed(scene: Scene) -> None:
    scene.alone()
    scene.begin_and_lose_the_holder(60)
    assert scene.say("confirm") == (0, "confirmed: the change stays\n")
    assert scene.at() == {1, 3}


def holder_killed_then_rolled_back(scene: Scene) -> None:
    scene.alone()
    scene.begin_and_lose_the_holder(60)
    assert scene.say("rollback") == (0, "rolled back: the node is as it was before\n")
    scene.is_undone()


def holder_killed_then_confirmed_too_late(scene: Scene) -> None:
    scene.alone()
    scene.begin_and_lose_the_holder()
    scene.is_over()
    code, said = scene.say("confirm")
    assert code == 5
    assert "the change is undone now" in said
    scene.is_undone()


def holder_killed_then_applied_too_late(scene: Scene) -> None:
    scene.alone()
    scene.begin_and_lose_the_holder()
    scene.is_over()
    code, said = scene.say("apply", scene.changed)
    assert code == 4
    assert "in quarantine" in said
    scene.is_undone()


def holder_killed_then_run(scene: Scene) -> None:
    scene.alone()
    scene.begin_and_lose_the_holder()
    scene.file.write_text(CHANGED)
    daemon = scene.start.daemon(scene.file)
    daemon.until(lambda status: status["trial"] is not None, "the trial that goes on")
    scene.is_undone()
    assert daemon.until_synced()["health"]["state"] == "degraded"


def daemon_killed_and_back_in_time(scene: Scene) -> None:
    scene.daemon()
    scene.begin(20)
    _kill(scene)
    daemon = scene.start.daemon(scene.file)
    daemon.until(lambda status: status["trial"] is not None, "the trial that goes on")
    assert scene.at() == {1, 3}
    scene.is_undone()


def daemon_killed_and_back_too_late(scene: Scene) -> None:
    scene.daemon()
    scene.begin()
    _kill(scene)
    scene.is_over()
    assert scene.at() == {1, 3}
    scene.start.synced(scene.file)
    scene.is_undone()


def daemon_killed_and_confirmed_meanwhile(scene: Scene) -> None:
    scene.daemon()
    scene.begin(60)
    _kill(scene)
    assert scene.say("confirm") == (0, "confirmed: the change stays\n")
    scene.start.synced(scene.file)
    assert scene.at() == {1, 3}


def another_boot(scene: Scene) -> None:
    scene.daemon()
    scene.begin(3600)
    _kill(scene)
    intents = scene.state.load_intents()
    assert intents.trial is not None
    scene.state.save_intents(replace(intents, trial=replace(intents.trial, boot="another")))
    daemon = scene.start.synced(scene.file)
    scene.is_undone()
    assert "started anew" in daemon.status()["intent"]["quarantine"][0]["reason"]


def changed_file_is_confirmed_by_hand(scene: Scene) -> None:
    daemon = scene.daemon()
    scene.node.node_file(CHANGED + "confirm: 60s\n", "new.yaml").rename(scene.file)
    daemon.until(lambda status: status["trial"] is not None, "the trial")
    until(lambda: scene.at() == {1, 3}, "the change")
    assert scene.say("confirm")[0] == 0
    assert daemon.until_synced()["intent"]["good_since"] > 0
    # Another one is on trial, and the file is put back meanwhile: that is no verdict about it.
    scene.node.node_file(BEFORE + "confirm: 60s\n", "new.yaml").rename(scene.file)
    daemon.until(lambda status: status["trial"] is not None, "the trial")
    scene.node.node_file(CHANGED + "confirm: 60s\n", "new.yaml").rename(scene.file)
    daemon.until(lambda status: status["trial"] is None, "the end of the trial")
    daemon.until_synced()
    assert scene.at() == {1, 3}
    assert daemon.status()["intent"]["quarantine"] == []


def _kill(scene: Scene) -> None:
    (daemon,) = scene.start.running()
    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL


TRIALS: tuple[Callable[[Scene], None], ...] = (
    *(undone_alone, undone_by_a_daemon, the_first_one_ever_is_undone_to_nothing),
    *(client_killed_at_the_arming, client_killed_at_the_arming_with_a_daemon, terminal_gone),
    *(holder_killed_then_confirmed_too_late, holder_killed_then_applied_too_late, holder_killed_then_run),
    *(daemon_killed_and_back_in_time, daemon_killed_and_back_too_late, daemon_killed_and_confirmed_meanwhile),
    *(confirmed_alone, confirmed_by_a_daemon, undone_by_hand_alone, undone_by_hand_with_a_daemon),
    *(holder_killed_then_confirmed, holder_killed_then_rolled_back, another_boot, changed_file_is_confirmed_by_hand),
)


def _staged(scenario: Callable[[Scene], None]) -> Callable[[Host, Programs], None]:
    @wraps(scenario)
    def staged(node: Host, start: Programs) -> None:
        scenario(Scene(node, start))

    return staged


SCENARIOS = tuple(map(_staged, TRIALS))
