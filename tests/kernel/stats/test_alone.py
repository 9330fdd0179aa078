"""A process that keeps the statistics of a node alone, beside a real babeld."""

from __future__ import annotations

import grp
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.host import Host, host, until
from tests.kernel.daemon.running import STELLWERK, Program, Programs, programs
from tests.kernel.stats.conftest import ALONE, alone, asked, babel, neighbours

LARGEST_KIB = 35 * 1024
NOBODY = 65534
GROUP = "users"


def resident(program: Program) -> dict[str, int]:
    """Return what of a process is in memory, in KiB, and the parts of it (proc(5))."""
    lines = Path(f"/proc/{program.pid}/status").read_text().splitlines()
    wanted = ("VmRSS", "RssAnon", "RssFile")
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name in wanted}


def test_it_answers_from_little_memory(node: Host, start: Programs) -> None:
    babel(node)
    program = alone(start, node.node_file(ALONE))
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
    for _ in range(200):
        told = asked(node)
    assert told["nodeinfo"]["hostname"] == "roof-1"
    assert told["nodeinfo"]["software"]["babeld"]["version"]
    found = resident(program)
    print(found)
    assert found["VmRSS"] <= LARGEST_KIB, found
    modules = Path(f"/proc/{program.pid}/maps").read_text()
    assert "pydantic" not in modules
    assert program.end() == 0
    assert "Traceback" not in program.said()


def test_it_is_asked_over_its_socket(node: Host, start: Programs) -> None:
    babel(node)
    alone(start, node.node_file(ALONE))
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
    said = node.stellwerk("stats", "--json", *node.state())
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert [one["interface"] for one in told["babel"]["known"]["neighbours"]] == ["mesh0"]
    assert told["reconciler"] is None
    shown = node.stellwerk("stats", *node.state())
    assert shown.code == 0
    assert "neighbour" in shown.out
    assert node.stellwerk("status", *node.state()).code == 1


def test_a_second_one_is_told_and_the_first_goes_on(node: Host, start: Programs) -> None:
    babel(node)
    file = node.node_file(ALONE)
    alone(start, file)
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
    second = alone(start, file)
    assert second.wait() == 4
    assert "another daemon listens" in second.said()
    assert len(neighbours(node)) == 1


def test_the_file_is_followed_and_a_wrong_one_is_not(node: Host, start: Programs) -> None:
    babel(node)
    file = node.node_file(ALONE)
    program = alone(start, file)
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
    node.node_file(ALONE.replace("[mesh0]", "[mesh 0]"))
    until(lambda: "event=refused" in program.said(), "the refusal in the log")
    assert "node.yaml:6" in program.said()
    assert len(neighbours(node)) == 1
    node.node_file(ALONE.replace("roof-1", "roof-2"))
    until(lambda: asked(node).get("nodeinfo", {}).get("hostname") == "roof-2", "the other name")
    program.process.send_signal(signal.SIGHUP)
    assert asked(node)["nodeinfo"]["hostname"] == "roof-2"
    # What would answer for nothing ends, and the process waits for the file.
    node.node_file("version: 1\nnode: roof-2\n")
    until(lambda: not asked(node), "no answer")
    node.node_file(ALONE)
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer again")
    assert program.end(signal.SIGINT) == 0


def test_babeld_comes_later_goes_and_comes_again(node: Host, start: Programs) -> None:
    program = alone(start, node.node_file(ALONE))
    until(lambda: bool(asked(node)), "an answer without a babeld")
    assert neighbours(node) == []
    until(lambda: "babeld lost" in program.said(), "the log's word of it")
    assert str(node.socket) in program.said().split("because=")[-1]
    babel(node)
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
    until(lambda: "babeld back" in program.said(), "the log's word of its return")
    node.end()
    until(lambda: neighbours(node) == [], "no neighbour without a babeld")
    until(lambda: program.said().count("babeld lost") == 2, "the log's word of it again")
    assert program.said().count("babeld back") == 1


def test_the_group_may_ask() -> None:
    with tempfile.TemporaryDirectory() as name, host(Path(name)) as node, programs(node) as start:
        Path(name).chmod(0o755)
        alone(start, node.node_file(ALONE), "--group", GROUP)
        place = node.folder / "state" / "stats.socket"
        until(lambda: place.exists() and bool(asked(node)), "the start")
        place.parent.chmod(0o755)
        number = grp.getgrnam(GROUP).gr_gid

        def ask(group: int) -> subprocess.CompletedProcess[str]:
            command = (*STELLWERK, "stats", "--json", *node.state())
            return subprocess.run(
                command, user=NOBODY, group=group, extra_groups=(), capture_output=True, text=True, check=False
            )

        member, stranger = ask(number), ask(NOBODY - 1)
        assert member.returncode == 0, member.stderr
        assert json.loads(member.stdout)["node"]["name"] == "roof-1"
        assert stranger.returncode == 1
        assert "`stellwerk stats FILE --group`" in stranger.stderr


def test_nobody_needs_to_be_root() -> None:
    """Port 1001 takes a right of its own (CAP_NET_BIND_SERVICE); here the namespace asks for none."""
    # What is in pytest's own folders is root's alone.
    with tempfile.TemporaryDirectory() as name, host(Path(name)) as node:
        folder = Path(name)
        folder.chmod(0o755)
        babel(node)
        node.socket.chmod(0o777)
        node.namespace.run(lambda: Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("1000"))
        file, log = node.node_file(ALONE), folder / "said"

        def begin() -> subprocess.Popen[bytes]:
            with log.open("wb") as said:
                command = (*STELLWERK, "stats", str(file), "--socket", str(folder / "no-right" / "socket"))
                return subprocess.Popen(command, user=NOBODY, group=NOBODY, extra_groups=(), stdout=said, stderr=said)

        process = node.namespace.run(begin)
        try:
            until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
            assert "no control socket" in log.read_text()
            assert os.stat(f"/proc/{process.pid}").st_uid == NOBODY
            process.terminate()
            assert process.wait(30) == 0
        except BaseException as exc:
            exc.add_note(log.read_text())
            raise
        finally:
            process.kill()
            process.wait()
