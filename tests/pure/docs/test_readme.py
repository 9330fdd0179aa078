"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from intent.care import care
from intent.fleet.repository import read_fleet
from intent.loading import load
from intent.resources.gre_link import GreLink
from intent.resources.resource import Request
from intent.resources.route import Route
from intent.resources.wireguard_peer import WireGuardPeer
from reconciler.cli import EPILOG, exit_codes, stellwerk
from reconciler.services.daemon import Settings
from reconciler.services.interpretation import NodeInterpreter, document
from tests.pure.daemon.conftest import Running
from tests.pure.docs.conftest import CommandLine
from tests.pure.docs.markdown import ROOT, blocks, links, rows

README = ROOT / "README.md"
LEFT_OUT = "[…]"
SESSIONS = [block.text for block in blocks(README) if block.language == "console"]
FIRST_NODE, STATS, CAREFUL_NODE, FLEET, FLEET_NODE = (
    block.text for block in blocks(README) if block.language == "yaml"
)
FILES = set(re.findall(r"`([\w./]+)`:\n\n```", README.read_text()))
INSTALLATION = (
    "apt-get install ",
    "git clone ",
    "python3 -m venv ",
    "/opt/stellwerk/bin/pip install .",
    "ln -s ",
    "systemctl daemon-reload",
    "systemctl enable --now stellwerk",
)
CODES = {value for name, value in vars(exit_codes).items() if name.isupper()}


def play(session: str, command_line: CommandLine) -> None:
    """Run the commands of a session, and compare all that they say."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        words, _, shown = part.partition("\n")
        said = command_line.run(words)[1]
        lines = re.sub(rf"^{re.escape(re.escape(LEFT_OUT))}\\\n", "(?:.*\n)*", re.escape(shown), flags=re.MULTILINE)
        pattern = lines.replace(re.escape(LEFT_OUT), ".*")
        assert re.fullmatch(pattern, said), f"$ {words}\n{said}"


def test_there_are_as_many_sessions_as_are_played_here() -> None:
    assert len(SESSIONS) == 10


def test_the_demo(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    play(SESSIONS[0], command_line)
    break_three_things(command_line)
    play(SESSIONS[1], command_line)
    assert command_line.run("stellwerk apply examples/exit-gre.yaml")[0] == exit_codes.DONE
    assert command_line.run("stellwerk plan examples/exit-gre.yaml")[0] == exit_codes.DONE


def break_three_things(command_line: CommandLine) -> None:
    """Delete the first exit route, remove the first peer of wg-mesh, set the tunnel down."""
    node = load("examples/exit-gre.yaml")
    with command_line.this_node(Path()) as here:
        desired = NodeInterpreter(here.resolvers).interpret(document(node)).desired
    tunnel = next(one for one in desired if isinstance(one, GreLink))
    route = next(one for one in desired if isinstance(one, Route) and one.gateway)
    peer = next(one for one in desired if isinstance(one, WireGuardPeer) and one.link == "wg-mesh")
    down = replace(tunnel, up=False)
    requests: list[Request] = [*route.delete(), *peer.delete(), *down.update(tunnel, down.changes(tunnel))]
    assert command_line.node.send(requests) == [None] * len(requests)


def test_the_first_node_file(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(FIRST_NODE.splitlines()) <= 15
    Path("node.yaml").write_text(FIRST_NODE)
    for session in SESSIONS[2:5]:
        play(session, command_line)


def test_an_error(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("misspelt.yaml").write_text(FIRST_NODE.replace("type:", "tpye:"))
    play(SESSIONS[5], command_line)


@pytest.fixture
def daemon(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """A daemon that keeps the first node file, in a thread."""
    monkeypatch.setattr("reconciler.services.daemon.this_node", command_line.this_node)
    monkeypatch.delenv("STELLWERK_SOCKET", raising=False)
    file = tmp_path / "followed.yaml"
    file.write_text(FIRST_NODE)
    state = tmp_path / "state"
    running = Running(Settings(state, state / "socket", file))
    try:
        yield running.ready()
    finally:
        running.stop()


def test_a_daemon(daemon: Running, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("node.yaml").write_text(FIRST_NODE.replace("7368:1::1", "7368:1::2"))
    for session in SESSIONS[6:]:
        play(session, command_line)
    assert "address fd00:6d65:7368:1::2/128 dev mesh0 proto 242" in command_line.node.describe()


def test_the_first_node_may_have_the_statistics(command_line: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(FIRST_NODE + STATS)
    code, said = command_line.run(f"stellwerk check {file}")
    assert code == exit_codes.DONE, said


def test_the_careful_node(command_line: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "careful.yaml"
    file.write_text(CAREFUL_NODE)
    assert command_line.run(f"stellwerk check {file}")[0] == exit_codes.DONE
    said = care(load(str(file)))
    assert (said.confirm_seconds, len(said.checks), said.largest_deleted_share) == (60, 2, 0.2)


def test_every_command_is_in_the_table() -> None:
    named = [name for cells in rows(README, "## Commands") for name in re.findall(r"`([a-z]+)", cells[0])]
    assert sorted(named) == stellwerk.list_commands(click.Context(stellwerk))


@pytest.mark.parametrize(
    "line", [line for block in blocks(README) if block.language == "sh" for line in block.text.splitlines()]
)
def test_a_command(line: str, command_line: CommandLine) -> None:
    if line.startswith("stellwerk "):
        code, said = command_line.run(line)
        assert code == exit_codes.DONE, said
    elif line.startswith("make "):
        assert f"\n{line.removeprefix('make ')}: " in (ROOT / "Makefile").read_text()
    elif line.startswith("install "):
        source = shlex.split(line)[-2]
        assert source in FILES or (ROOT / source).exists()
    else:
        assert line.startswith(INSTALLATION), "an unknown command: see that the tests try it"


def test_exit_codes() -> None:
    table = {int(code): words for code, words in rows(README, "### Exit codes")}
    assert table.keys() == CODES
    told = {int(code): words for code, words in re.findall(r"^  (\d+) +(.*)$", EPILOG, re.MULTILINE)}
    assert told.keys() == CODES
    for code, words in told.items():
        assert words.split(":")[0].split(",")[0] in table[code]


def test_every_example_is_named_and_right(command_line: CommandLine) -> None:
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    assert {f"examples/{path.name}" for path in examples} <= set(links(README))
    for path in examples:
        code, said = command_line.run(f"stellwerk check {path}")
        assert code == exit_codes.DONE, said


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_can_be_planned_and_applied(path: Path, command_line: CommandLine) -> None:
    # Statistics alone change nothing on a node.
    differs = exit_codes.DONE if path.stem == "stats-only" else exit_codes.DIFFERENT
    assert command_line.run(f"stellwerk plan {path}")[0] == differs
    if "restart_command:" in path.read_text().replace("# restart_command:", ""):
        assert command_line.run(f"stellwerk apply {path}")[0] == exit_codes.DONE
        assert command_line.run(f"stellwerk plan {path}")[0] == exit_codes.DONE


def test_the_first_screens_say_that_exits_fail_over_and_where_to_see_it() -> None:
    first = " ".join(README.read_text().split("## See it work")[0].split())
    assert "any node may be an exit, and the mesh holds when one fails" in first
    assert {"(docs/failover.md)", "(docs/lab.md)"} <= set(re.findall(r"\(docs/\w+\.md\)", first))


def test_what_it_touches_and_what_it_never_does_agree_with_the_features() -> None:
    touched, never = README.read_text().split("## What it touches")[1].split("It never touches:")
    assert "table inet stellwerk" in touched
    assert "a firewall of your own" in never.split("## Secrets")[0]


def test_the_fleet_is_one(tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "nodes" / "roof-1.yaml").write_text(FLEET_NODE)
    rendered = read_fleet(str(tmp_path)).render("roof-1")
    assert "fd00:6d65:7368::7/128" in rendered.text
    assert rendered.node.name == "roof-1"
