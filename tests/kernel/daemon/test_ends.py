"""How the daemon begins and ends: signals, what a service manager is told, rights, and a disk that refuses."""

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, until
from tests.kernel.daemon.running import STELLWERK, Programs, exit_of, kernel_state, prefix

NOBODY = "65534"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_the_node_as_it_is(node: Host, start: Programs, number: int) -> None:
    daemon = start.synced(node.node_file(exit_of(1)))
    before = kernel_state(node)
    assert daemon.socket.is_socket()
    assert daemon.end(number) == 0
    assert kernel_state(node) == before
    assert not daemon.socket.exists()
    assert "Traceback" not in daemon.said()
    # A second start finds nothing to do, and a node that stands on its own; it knows what the first one did.
    again = start.synced(node.node_file(exit_of(1)))
    assert [fact["event"] for fact in again.status()["recent"]] == ["changed"]


def test_a_hang_up_has_it_read_and_look_at_everything(node: Host, start: Programs) -> None:
    file = node.node_file(exit_of(1))
    daemon = start.synced(file)
    # Nothing tells of a kernel parameter that changed: only a look finds it.
    node.namespace.program("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: node.namespace.program("cat", "/proc/sys/net/ipv6/conf/all/forwarding") == "1\n", "the forwarding")
    daemon.until_synced()


def test_the_service_manager_is_told(node: Host, start: Programs) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(node.folder / "notify"))
        manager.settimeout(30)
        environment = {"NOTIFY_SOCKET": str(node.folder / "notify"), "WATCHDOG_USEC": "400000"}
        daemon = start.daemon(node.node_file(exit_of(1)), **environment)
        words = manager.recv(4096).decode().split("\n")
        assert words[0] == "READY=1"
        # Ready means that the first round is over: what depends on the node may begin.
        assert prefix(0) in node.namespace.ip("-6", "route", "show", "table", "10")
        for _ in range(3):
            assert manager.recv(4096).startswith(b"WATCHDOG=1")
        # One that hangs is not said to be alive, also while other threads go on.
        daemon.process.send_signal(signal.SIGTERM)
        while not (said := manager.recv(4096)).startswith(b"STOPPING=1"):
            assert said.startswith(b"WATCHDOG=1")
        assert daemon.wait() == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_members_of_the_group_may_ask_and_no_more(node: Host, start: Programs, open_folder: Path) -> None:
    socket_file = open_folder / "socket"
    shown = open_folder / "node.yaml"
    shown.write_text(node.node_file(exit_of(1)).read_text())
    start_options = ("--group", "nogroup", "--socket", str(socket_file))
    daemon = start.daemon(node.node_file(exit_of(1)), *start_options)
    until(socket_file.is_socket, "the socket")
    until(lambda: "healthy" in _as_nobody(socket_file, "status")[1], "a healthy node")

    before = kernel_state(node)
    changes = (
        ("confirm",),
        ("rollback",),
        ("retry",),
        ("resume",),
        ("suspend", "--reason", "mine"),
        ("reconcile",),
        ("apply", str(shown)),
    )
    for words in changes:
        code, said = _as_nobody(socket_file, *words)
        assert code == 1, (words, said)
        assert f"`stellwerk {words[0]}` takes root" in said
        assert "Traceback" not in said
    assert kernel_state(node) == before
    assert _as_nobody(socket_file, "status")[0] == 0
    # Others may not even ask.
    code, said = _as_nobody(socket_file, "status", group="60000")
    assert code == 1
    assert "may not be opened" in said
    assert daemon.end() == 0


def _as_nobody(socket_file: Path, *words: str, group: str = NOBODY) -> tuple[int, str]:
    """Return the exit code and the words of a command of an ordinary user."""
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups", *STELLWERK, *words]
    # The state folder is for its owner alone, as /var/lib/stellwerk is.
    state = socket_file.parent / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        [*command, "--socket", str(socket_file), "--state-dir", str(state)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


def test_with_a_group_that_does_not_exist_the_node_is_kept_and_nobody_is_let_in(node: Host, start: Programs) -> None:
    daemon = start.daemon(node.node_file(exit_of(1)), "--group", "no-such-group")
    until(lambda: "there is no group 'no-such-group'" in daemon.said(), "the words about the group")
    until(lambda: "2001:db8:4200::/56" in node.namespace.ip("-6", "route", "show", "table", "all"), "the exit")
    assert not daemon.socket.exists()
    assert daemon.end() == 0


def test_a_state_folder_that_cannot_be_written_to_is_said_so(node: Host, start: Programs) -> None:
    """A read-only file system, in a mount namespace that ends with the daemon."""
    before = kernel_state(node)
    state, file = node.folder / "state", node.node_file(exit_of(1))
    state.mkdir()
    command = " ".join(["exec", f"'{STELLWERK[0]}'", "-c", f"'{STELLWERK[2]}'", "run", str(file), *node.state()])
    for mount in ("ro,size=64k", "size=4k,nr_inodes=2"):
        script = f"mount -t tmpfs -o {mount} none {state} && {command}"
        ended = start.program("unshare", "--mount", "sh", "-c", script)
        if mount.startswith("ro"):
            assert ended.wait() == 1
            assert "Read-only file system" in ended.said()
            assert str(state) in ended.said()
        else:
            until(lambda: "No space left" in ended.said(), "its complaint")  # noqa: B023
            ended.end()
        assert "Traceback" not in ended.said(), ended.said()
        assert kernel_state(node) == before, ended.said()
