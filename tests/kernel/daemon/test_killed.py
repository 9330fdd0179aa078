"""Killed at any moment, a daemon that is started again brings the node to where it would have come undisturbed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host import Host
from tests.kernel.daemon import mortal
from tests.kernel.daemon.running import MESH, kernel_state

EXIT = """
exit:
  allow_special_purpose: true
  prefixes: [{prefix: "2001:db8:4200::/56", via: {interface: wan, gateway: "fe80::1"}}]
guards: {deletes: 100%}
"""
ONE = MESH + EXIT
# Nothing that babeld would have to be restarted for, which takes it a second.
OTHER = ONE.replace("fe80::1", "fe80::2").replace(
    '"fd00:6d65::1/64"', '"fd00:6d65::2/64", "fd00:6d65::3/64", "10.99.0.1/24", "10.98.0.1/24"'
)


class Lives:
    """Daemons for the same file, one after another, each with so many steps to live."""

    def __init__(self, node: Host, server: subprocess.Popen[str]) -> None:
        self._node = node
        self._server = server
        self._file = node.folder / "node.yaml"

    def live(self, text: str, steps: int | None) -> bool:
        """Run a daemon; return whether it lived until the node was in sync."""
        self._node.node_file(text)
        log = self._node.folder / "lives"
        order = {
            "steps": steps,
            "arguments": ["run", str(self._file), *self._node.state()],
            "socket": str(self._node.folder / "state" / "socket"),
            "log": str(log),
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        assert code in (0, -signal.SIGKILL), (code, log.read_text())
        assert "Traceback" not in log.read_text(), log.read_text()
        return code == 0


@contextmanager
def _lives(node: Host) -> Iterator[Lives]:
    command = [sys.executable, "-m", "tests.kernel.daemon.mortal"]
    # The daemon reads the clock and the state folder; of the environment it needs nothing of ours.
    environment = {**os.environ, "PYTHONPATH": str(Path(mortal.__file__).parents[3])}
    server = node.namespace.run(
        lambda: subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
    )
    try:
        with server:
            yield Lives(node, server)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _state(node: Host) -> dict[str, object]:
    """Return what a user would notice: the kernel, babeld and its file."""
    told = [line.split(" up ")[0] for line in node.babeld_dump().splitlines()]
    babeld = sorted(line for line in told if line.startswith(("add interface", "add xroute")))
    return {**kernel_state(node), "babeld": babeld, "file": node.configuration.read_text()}


def _make_foreign_things(node: Host) -> None:
    for words in (
        "link add br-foreign type bridge",
        "address add fd00:f::1/64 dev mesh0 nodad",
        "-6 route add 2001:db8:77::/48 dev wan table 10",
        "-6 route add unreachable 2001:db8:78::/48 table 10 proto static",
        "-6 rule add priority 1000 fwmark 7 lookup 10",
    ):
        node.namespace.ip(*words.split())


def test_killed_at_every_step_the_next_one_ends_where_it_should(node: Host) -> None:
    _make_foreign_things(node)
    with _lives(node) as lives:
        assert lives.live(ONE, None)
        assert lives.live(OTHER, None)
        at_other = _state(node)
        assert lives.live(ONE, None)
        at_one = _state(node)
        assert at_one != at_other
        for target, state in ((OTHER, at_other), (ONE, at_one)):
            back = ONE if target is OTHER else OTHER
            steps = 0
            assert lives.live(back, None)
            while not lives.live(target, steps):
                assert lives.live(target, None)
                assert _state(node) == state, steps
                assert lives.live(back, None)
                steps += 1
            assert steps > 7
            assert _state(node) == state
            print("steps of a change", steps)


def test_killed_again_and_again_from_nothing_on_it_gets_there(node: Host) -> None:
    _make_foreign_things(node)
    with _lives(node) as lives:
        lived = 1
        while not lives.live(ONE, 3):
            lived += 1
            assert lived < 200
        print("lives of three steps", lived)
        crashed = _state(node)
        assert lives.live(OTHER, None)
        assert lives.live(ONE, None)
        assert _state(node) == crashed
