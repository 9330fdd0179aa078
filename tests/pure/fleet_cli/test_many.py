"""Fleets that are large enough for several processes and a bar, and runs that are stopped or beside one another."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intent.fleet.repository import Fleet
from reconciler.backends.rendered_files import RenderedFiles
from tests.fleets import node_name, write_fleet
from tests.pure.fleet_cli.conftest import Run

NODES = 200
PATIENCE_SECONDS = 120.0
STELLWERK = (sys.executable, "-c", "from reconciler.cli import main; main()")
ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "fleet"
    write_fleet(folder, NODES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(folder)
    # Also on a machine with one processor.
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    return folder


@pytest.fixture
def rendered_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that names each node as it is rendered in this process."""
    found: list[str] = []
    render = Fleet.render

    def counted(self: Fleet, name: str) -> object:
        found.append(name)
        return render(self, name)

    monkeypatch.setattr(Fleet, "render", counted)
    return found


def started(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (*STELLWERK, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


def test_processes_render_the_same_as_this_one(fleet: Path, run: Run, rendered_here: list[str]) -> None:
    assert run("render").out.splitlines()[-1] == f"{NODES} written or removed, 0 unchanged"
    assert rendered_here == []
    for name in (node_name(0), node_name(NODES - 1)):
        assert (fleet / "rendered" / f"{name}.yaml").read_text() == run("render", name).out


def test_only_what_has_changed_is_rendered_again(fleet: Path, run: Run, rendered_here: list[str]) -> None:
    assert run("check", "--fleet", ".").code == 0
    assert run("check", "--fleet", ".").code == 0
    assert rendered_here == []
    file = fleet / "nodes" / f"{node_name(7)}.yaml"
    file.write_text(file.read_text() + "# changed\n")
    assert run("check", "--fleet", ".").code == 0
    assert rendered_here == [node_name(7)]
    file.write_text(file.read_text() + "mesh: {table: 11}\n")
    assert run("check", "--fleet", ".").code == 0
    assert rendered_here == [node_name(7)] * 2


def test_problems_of_all_processes_are_told(fleet: Path, run: Run) -> None:
    wrong = [node_name(number) for number in range(0, NODES, 40)]
    for name in wrong:
        file = fleet / "nodes" / f"{name}.yaml"
        file.write_text(file.read_text() + "exitt: 1\n")
    said = run("check", "--fleet", ".")
    assert said.code == 3
    assert [line.partition(":")[0] for line in said.err.splitlines() if "exitt` is not" in line] == [
        f"nodes/{name}.yaml" for name in wrong
    ]


def test_a_terminal_shows_how_far_it_is_and_a_file_does_not(fleet: Path) -> None:
    leader, follower = pty.openpty()
    words = (*STELLWERK, "check", "--fleet", ".")
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=follower) as process:
        os.close(follower)
        seen = b"".join(_until_closed(leader))
        assert process.stdout is not None
        assert process.stdout.read() == f".: ok, fleet synthetic of {NODES} nodes\n".encode()
    os.close(leader)
    assert b"rendering" in seen
    assert b"100%" in seen
    (fleet / "roles" / "reporting.yaml").write_text("stats: {respondd: {interfaces: [mesh0]}}\n")
    quiet = subprocess.run(words, capture_output=True, check=True, timeout=PATIENCE_SECONDS)
    assert quiet.stderr == b""


def _until_closed(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(descriptor, 1 << 16)
        except OSError:
            # Linux says so where the other end of a terminal is closed (pty(7)).
            return
        if not part:
            return
        yield part


def test_two_at_once_write_the_same(fleet: Path, run: Run) -> None:
    both = [started("render"), started("render")]
    for process in both:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, out
    assert run("render", "--check").code == 0
    assert len(list((fleet / "rendered").iterdir())) == NODES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_half_way_it_is_taken_up_again(fleet: Path, run: Run, number: signal.Signals) -> None:
    """Wherever it is stopped, what is there is whole, and the next time makes the rest."""
    process = started("render")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and not (fleet / "rendered").exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, number)
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode in (0, 130, -signal.SIGKILL), out
    assert b"Traceback" not in out
    for path in (fleet / "rendered").glob("[!.]*"):
        assert path.read_text().startswith("# Written by")
        assert path.read_text().endswith("\n")
    assert run("render").code == 0
    assert run("render", "--check").code == 0
    assert len(list((fleet / "rendered").iterdir())) == NODES


def test_a_terminal_interrupt_while_rendering_leaves_nothing(fleet: Path, tmp_path: Path) -> None:
    words = "import os, signal; from intent.fleet.repository import Fleet; render = Fleet.render\n"
    words += f"def slow(self, name):\n    open({str(tmp_path / 'began')!r}, 'a').close(); signal.pause()\n"
    words += (
        "Fleet.render = slow\nfrom reconciler.cli import main\nimport sys; sys.argv = ['stellwerk', 'render']; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (tmp_path / "began").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert b"Traceback" not in out
    assert b"stopped by the keyboard" in out
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not (fleet / "rendered").exists()
    assert list((tmp_path / "cache").rglob("*.fleet")) == []


def test_writing_is_refused_before_anything_is_written(fleet: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (fleet / "rendered").mkdir()
    (fleet / "rendered" / f"{node_name(NODES - 1)}.yaml").write_text("mine\n")
    monkeypatch.setattr(RenderedFiles, "put", pytest.fail)
    assert run("render").code == 4
