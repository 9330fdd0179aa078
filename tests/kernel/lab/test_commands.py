"""The command line of labs, and what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler import cli
from reconciler.cli import exit_codes
from reconciler.lab import laboratory as laboratories
from reconciler.lab.folders import Folder
from tests.host import Said, until
from tests.pure.docs.markdown import ROOT

EXAMPLE = ROOT / "examples" / "lab" / "two-nodes" / "lab.yaml"


@pytest.fixture
def stellwerk(base: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Said]]:
    """Runs the command line in this process; labs that are left are ended."""

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = cli.run(words)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield run
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for folder in base.iterdir() if base.exists() else ():
            laboratories.Lab(Folder(folder)).down()


def program(base: Path, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start the command line as a process of its own, with its labs in ``base``."""
    script = (
        "import sys, pathlib; from reconciler.lab import folders; "
        "folders.ROOTS_FOLDER = pathlib.Path(sys.argv.pop(1)); from reconciler.cli import main; main()"
    )
    command = (*before, sys.executable, "-c", script, str(base), *words)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_example_from_up_to_down(stellwerk: Callable[..., Said], base: Path) -> None:
    said = stellwerk("lab", "up", str(EXAMPLE))
    assert (said.code, said.out.splitlines()[-1]) == (exit_codes.DONE, "two-nodes is up: 2 nodes, 1 client")
    again = stellwerk("lab", "up", str(EXAMPLE))
    assert again.code == exit_codes.REFUSED
    assert "a lab two-nodes is there already: `stellwerk lab down two-nodes` ends it" in again.err

    # Nothing is left to be waited for.
    assert "yet" not in said.out
    assert laboratories.Lab(Folder(base / "two-nodes")).probe("alice", seconds=0.2)["lost"] == 0

    shown = stellwerk("lab", "status")
    assert shown.code == exit_codes.DONE
    assert "kiel for 2001:db8:200::/56" in shown.out
    assert "roof:mesh0" in shown.out
    assert json.loads(stellwerk("lab", "status", "two-nodes", "--json").out)["nodes"].keys() == {"kiel", "roof"}

    probed = stellwerk("lab", "probe", "alice", "--for", "1s")
    assert (probed.code, " 0 lost" in probed.out) == (exit_codes.DONE, True), probed.out
    assert stellwerk("lab", "break", "cable").code == exit_codes.DONE
    probed = stellwerk("lab", "probe", "alice", "--for", "1s", "--json")
    assert probed.code == exit_codes.DIFFERENT
    assert json.loads(probed.out)["answered"] == 0
    assert "cable" in stellwerk("lab", "status").out
    assert stellwerk("lab", "heal").code == exit_codes.DONE
    assert "event=started" in stellwerk("lab", "log", "roof").out

    for dashes in ((), ("--",)):
        executed = program(base, "lab", "exec", "alice", *dashes, "sh", "-c", "hostname; pwd; exit 9")
        assert executed.communicate(timeout=60)[0] == f"alice\n{os.getcwd()}\n"
        assert executed.returncode == 9
    assert stellwerk("lab", "exec", "alice", "--").code == exit_codes.USAGE

    assert stellwerk("lab", "down").code == exit_codes.DONE
    assert not base.exists()
    gone = stellwerk("lab", "down", "two-nodes")
    assert (gone.code, "there is no lab two-nodes: there is none" in gone.err) == (exit_codes.FAILED, True)


def test_two_labs_at_once_and_one_that_died(stellwerk: Callable[..., Said], base: Path) -> None:
    for name in ("one", "two"):
        assert stellwerk("lab", "up", str(EXAMPLE), "--name", name).code == exit_codes.DONE
    assert stellwerk("lab", "status").out == "one: up\ntwo: up\n"
    assert "there are several labs, one, two: name one (`lab down NAME`," in stellwerk("lab", "heal").err
    with laboratories.Lab(Folder(base / "one")).connect("status") as endpoint:
        pid = int.from_bytes(endpoint.getsockopt(1, 17, 4), sys.byteorder)  # SOL_SOCKET, SO_PEERCRED (unix(7))
    os.kill(pid, signal.SIGKILL)
    until(lambda: not laboratories.Lab(Folder(base / "one")).is_alive(), "the end of the lab")
    assert stellwerk("lab", "status").out == "one: dead\ntwo: up\n"
    dead = stellwerk("lab", "status", "one")
    assert (dead.code, "the lab one is dead" in dead.err) == (exit_codes.FAILED, True)
    assert stellwerk("lab", "down", "one").code == exit_codes.DONE
    assert stellwerk("lab", "down").code == exit_codes.DONE
    assert stellwerk("lab", "status").out == "no lab; `stellwerk lab up FILE` starts one\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_leaves_nothing(number: signal.Signals, base: Path) -> None:
    starting = program(base, "lab", "up", str(EXAMPLE))
    until(lambda: (base / "two-nodes" / "nodes" / "kiel").exists() or starting.poll() is not None, "a node")
    starting.send_signal(number)
    _, said = starting.communicate(timeout=60)
    assert starting.returncode == exit_codes.INTERRUPTED, said
    assert "nothing is left of the lab" in said
    assert not base.exists()


def test_a_starter_that_was_killed_takes_the_lab_along(base: Path) -> None:
    starting = program(base, "lab", "up", str(EXAMPLE))
    folder = Folder(base / "two-nodes")
    until(lambda: folder.node("kiel").exists() or starting.poll() is not None, "a node")
    starting.kill()
    starting.communicate(timeout=60)
    until(lambda: not folder.is_held(), "the end of the lab")
    laboratories.Lab(folder).down()
    assert not base.exists()


def test_a_program_that_is_missing_is_named(
    stellwerk: Callable[..., Said], base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None if name == "babeld" else name)
    said = stellwerk("lab", "up", str(EXAMPLE))
    assert said.code == exit_codes.FAILED
    assert "a lab needs babeld: install it (on Debian `apt-get install babeld`)" in said.err
    assert not base.exists()


def test_where_namespaces_are_forbidden_it_says_so(base: Path) -> None:
    forbidden = 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"'
    with program(
        base, "lab", "up", str(EXAMPLE), before=("unshare", "-U", "-r", "sh", "-c", forbidden, "sh")
    ) as starting:
        _, said = starting.communicate(timeout=60)
    assert starting.returncode == exit_codes.FAILED
    assert "root may make no namespaces here" in said
    assert "nothing is left of the lab" in said
    assert not base.exists()


def test_a_node_that_is_not_in_sync_is_named(stellwerk: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        'version: 1\nnode: a\nmesh: {interfaces: [{name: radio0}]}\nchecks: [{ping: "2001:db8::1"}]\n'
    )
    (tmp_path / "small.yaml").write_text("lab: 1\nnodes: {a: {intent: a.yaml}}\n")
    said = stellwerk("lab", "up", str(tmp_path / "small.yaml"), "--timeout", "2s")
    assert said.code == exit_codes.DIFFERENT
    first, last = said.out.splitlines()
    assert first.startswith("a: not in sync: ")
    assert "radio0" in first
    assert last == "small is up: 1 node, 0 clients"


def test_a_user_starts_one() -> None:
    command = [sys.executable, "-m", "tests.kernel.lab.as_user", str(EXAMPLE)]
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["nodes"].keys() == {"kiel", "roof"}
