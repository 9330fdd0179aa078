"""A process that keeps statistics and nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intent.expansion import services
from intent.loading import loads
from intent.references import References
from intent.statistics import (
    About,
    BabelSource,
    Following,
    Listen,
    Location,
    MeshInterface,
    PageSettings,
    PrometheusSettings,
    RespondSettings,
    Statistics,
    WrittenEndpoint,
)
from intent.statistics_json import from_json, to_json
from reconciler import cli
from reconciler.services.statistics.alone import Alone, Settings
from reconciler.services.statistics.asked import ask
from tests.pure.stats_feature.conftest import PATIENCE_SECONDS, Theatre, taken, until

HEAD = "version: 1\nnode: roof-1\n"
STATS = HEAD + (
    'stats: {babel: {socket: /run/babeld.sock}, respondd: {interfaces: [mesh0]}, page: {listen: "[::1]:8080"}}\n'
)
MOVED = STATS.replace("8080", "8081")
WRONG = STATS.replace("8080", "many")

Start = Callable[..., Alone]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(STATS)
    return path


@pytest.fixture(autouse=True)
def _unlogged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the log of the tests as it is."""
    monkeypatch.setattr("reconciler.services.logs.begin", lambda: None)


@pytest.fixture
def start(tmp_path: Path, file: Path) -> Iterator[Start]:
    """Start one in a thread, which ends with the test."""
    begun: list[tuple[Alone, threading.Thread]] = []

    def begin(socket: Path = tmp_path / "socket", daemon: Path | None = None) -> Alone:
        alone = Alone(Settings(file, socket, daemon=daemon))
        thread = threading.Thread(target=alone.run, daemon=True)
        thread.start()
        begun.append((alone, thread))
        return alone

    yield begin
    for alone, thread in begun:
        alone.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    code = cli.run([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out + said.err


def shown(capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    return run(capsys, "stats", "--json", "--socket", folder / "socket")[1]


def facts(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """Return what the log has of an event."""
    return [vars(record)["fact"] for record in caplog.records if record.getMessage() == event]


def told(capsys: pytest.CaptureFixture[str], folder: Path) -> dict[str, Any]:
    """Return the statistics, none while nobody tells them."""
    code, said = run(capsys, "stats", "--json", "--socket", folder / "socket")
    found: dict[str, Any] = {} if code else json.loads(said)
    return found


def test_what_the_file_asks_for_is_kept_as_the_file_changes(
    start: Start, theatre: Theatre, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start()
    until(lambda: theatre.told == ["+ figures", "+ respondd", "+ page"], "both answers")
    theatre.take()
    until(lambda: told(capsys, tmp_path).get("node") == "roof-1", "the figures")
    file.write_text(MOVED)
    until(lambda: theatre.told == ["- page", "+ page"], "the page at its new place")
    theatre.take()
    file.write_text(WRONG)
    until(lambda: "the node file cannot be used" in shown(capsys, tmp_path), "the problem")
    assert "node.yaml:3:" in shown(capsys, tmp_path)
    assert theatre.told == []
    file.write_text(MOVED)
    until(lambda: "cannot be used" not in shown(capsys, tmp_path), "the end of the problem")
    assert theatre.told == []
    file.write_text(HEAD)
    until(lambda: theatre.told == ["- respondd", "- page", "- figures"], "the end of all")


def test_a_file_that_is_not_right_is_told_as_check_tells_it(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(WRONG)
    checked = run(capsys, "check", file)
    assert checked[0] == 3
    assert run(capsys, "stats", file, "--socket", tmp_path / "socket") == checked
    missing = tmp_path / "missing.yaml"
    checked = run(capsys, "check", missing)
    assert run(capsys, "stats", missing, "--socket", tmp_path / "socket") == checked


def test_a_file_that_asks_for_none_is_refused(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(HEAD)
    code, said = run(capsys, "stats", file, "--socket", tmp_path / "socket")
    assert code == 4
    assert "add `stats`" in said


def test_two_at_one_socket_are_one_too_many(
    start: Start, theatre: Theatre, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start()
    until(lambda: len(theatre.told) == 3, "both answers")
    code, said = run(capsys, "stats", file, "--socket", tmp_path / "socket")
    assert code == 4
    assert f"another daemon listens at {tmp_path / 'socket'}" in said


def test_it_is_no_daemon(
    start: Start, theatre: Theatre, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start()
    until(lambda: len(theatre.told) == 3, "both answers")
    for words in (("status",), ("status", "--watch"), ("reconcile",), ("apply", file)):
        code, said = run(capsys, *words, "--socket", tmp_path / "socket", "--state-dir", tmp_path / "state")
        assert code == 4, said
        assert "no daemon keeps this node" in said


def test_it_is_found_beside_the_socket_of_the_daemon(
    start: Start, theatre: Theatre, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STELLWERK_SOCKET", raising=False)
    (tmp_path / "state").mkdir()
    start(tmp_path / "state" / "stats.socket")
    until(lambda: len(theatre.told) == 3, "both answers")
    code, said = run(capsys, "stats", "--json", "--state-dir", tmp_path / "state")
    assert (code, json.loads(said)["node"]) == (0, "roof-1")
    code, said = run(capsys, "stats", "--json", "--state-dir", tmp_path)
    assert code == 1
    for words in (
        *(f"no daemon listens at {tmp_path / 'socket'}", f"alone at {tmp_path / 'stats.socket'}"),
        *("`stellwerk run NODE.yaml`", "`stellwerk stats NODE.yaml`"),
    ):
        assert words in said
    code, said = run(capsys, "stats", "--socket", tmp_path / "other")
    assert code == 1
    assert f"`stellwerk stats NODE.yaml --socket {tmp_path / 'other'}`" in said


def test_what_does_not_run_is_told(
    start: Start, theatre: Theatre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theatre.failing["page"] = taken("page")
    start()
    expected = [
        {"name": "respondd", "state": "running", "problem": ""},
        {"name": "page", "state": "waiting", "problem": "page cannot listen: the port is taken"},
    ]
    until(lambda: told(capsys, tmp_path).get("services") == expected, "the reason")
    theatre.failing.clear()
    until(lambda: told(capsys, tmp_path)["services"][1]["state"] == "running", "the end of the reason")


def test_without_a_socket_it_goes_on(
    start: Start, theatre: Theatre, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    caplog.set_level("INFO", "stellwerk")
    start(tmp_path / "file" / "socket")
    until(lambda: facts(caplog, "started"), "the start")
    assert "no control socket" in caplog.messages
    assert facts(caplog, "started")[0]["socket"] is None


def test_the_log_says_where_a_file_is_wrong_in_one_line(
    start: Start, theatre: Theatre, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start()
    until(lambda: len(theatre.told) == 3, "both answers")
    file.write_text(WRONG.replace("mesh0", "mesh 0"))
    (fact,) = until(lambda: facts(caplog, "refused"), "the refusal")
    first, second = fact["outcome"].split("; /")
    assert first.startswith(f"{file}:3:")
    assert second.startswith(f"{file}:3:".removeprefix("/"))
    assert "^" not in fact["outcome"]
    assert "\n" not in fact["outcome"]


def test_a_babeld_that_is_not_there_is_said_once(
    start: Start, theatre: Theatre, file: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    file.write_text(STATS.replace("/run/babeld.sock", str(tmp_path / "no-babeld")))
    start()
    (fact,) = until(lambda: facts(caplog, "babeld lost"), "the word of it")
    assert "no-babeld" in fact["because"]
    file.write_text(MOVED.replace("/run/babeld.sock", str(tmp_path / "no-babeld")))
    until(lambda: "+ page" in theatre.told[3:], "the page at its new place")
    assert len(facts(caplog, "babeld lost")) == 1


def test_a_daemon_on_the_same_node_is_told_of(
    start: Start, theatre: Theatre, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.bind(str(tmp_path / "daemon"))
        daemon.listen()
        start(daemon=tmp_path / "daemon")
        (fact,) = until(lambda: facts(caplog, "note"), "the word of it")
    assert f"the daemon at {tmp_path / 'daemon'} keeps this node" in fact["because"]


def test_a_service_manager_is_told(
    theatre: Theatre, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "manager"))
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        alone = start()
        assert manager.recv(1000).startswith(b"READY=1\n")
        until(lambda: b"respondd running, page running" in manager.recv(1000), "what runs")
        alone.stop()
        until(lambda: manager.recv(1000) == b"STOPPING=1", "the end")


FULL = Statistics(
    node="a",
    about=About(
        node_id="0a1b2c3d4e5f",
        contact="c",
        site="s",
        domain="d",
        location=Location(latitude=1.5, longitude=-2.0, altitude=3.0),
        model="m",
    ),
    babel=BabelSource(socket="/run/b", following=Following.DUMP, every_seconds=15, routes=True),
    mesh_interfaces=(MeshInterface(name="mesh0", sort="other"), MeshInterface(name="mesh1")),
    mesh_prefixes=("fd00:6d65::/48", "2001:db8:6d65::/48"),
    wireguard=("wg0",),
    endpoints=(WrittenEndpoint(interface="wg0", public_key="k", host="gw.example.org", port=51820),),
    tunnels=("gre0",),
    exits=("2001:db8::/56",),
    firewall=True,
    respondd=RespondSettings(interfaces=("mesh0", "mesh1")),
    prometheus=PrometheusSettings(listen=Listen(address="::1", port=9742), routes=True),
    page=PageSettings(listen=Listen(address="127.0.0.1", port=8080)),
)


@pytest.mark.parametrize("settings", [FULL, Statistics(node="a")], ids=["all", "nothing"])
def test_settings_go_through_json_unchanged(settings: Statistics) -> None:
    assert from_json(json.loads(json.dumps(to_json(settings)))) == settings


def test_settings_come_from_the_other_process_as_they_do_in_the_daemon(file: Path) -> None:
    (here,) = services(loads(STATS.encode(), "node.yaml"), References({}))
    assert ask(file).settings == here.settings


def test_the_prefixes_of_the_mesh_are_those_of_whom_respondd_answers(file: Path) -> None:
    mesh = "mesh: {prefixes: ['fd00:6d65::/48'], exits: ['2001:db8:42::/56'], interfaces: [{name: mesh0}]}\n"
    file.write_text(HEAD + mesh + "stats: {respondd: {}}\n")
    asked = ask(file)
    assert asked.settings is not None
    assert asked.settings.mesh_prefixes == ("fd00:6d65::/48",)


LINKS = """
mesh: {}
links:
  private_key: {file: KEY, generate: true}
  peers: [{node: other, public_key: hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU=, listen_port: 51901}]
stats: {respondd: {}}
"""


def test_names_of_links_are_known_where_the_key_can_be_read(file: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    file.write_text(HEAD + LINKS.replace("KEY", str(key)))
    # One that the daemon is still to make is nothing that a name could follow from.
    asked = ask(file)
    assert asked.settings is not None
    assert asked.settings.mesh_interfaces == ()
    assert asked.files == (str(key),)
    assert not key.exists()
    key.write_text("GLyX5vJQvvTGpaUmZnVVY2A5PMjNUdDbIp8uTkM5hlo=\n")
    key.chmod(0o600)
    asked = ask(file)
    assert asked.settings is not None
    (link,) = asked.settings.mesh_interfaces
    assert link.sort == "tunnel"
    assert asked.settings.wireguard == (link.name,)
    assert asked.settings.respondd == RespondSettings(interfaces=(link.name,))
    key.write_text("no key\n")
    asked = ask(file)
    assert asked.settings is not None
    assert asked.settings.mesh_interfaces == ()
    assert asked.notes[0].startswith("the interfaces of `links` are not known: ")


def test_the_process_that_lasts_has_no_models_and_no_parser() -> None:
    names = "alone", "asked", "service", "respondd"
    program = "".join(f"import reconciler.services.statistics.{name}\n" for name in names)
    program += "import sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"pydantic", "ruamel", "ruamel.yaml", "asyncio", "prometheus_client", "aiohttp", "jinja2", "nacl"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("intent.features")}
    assert "reconciler.services.statistics.respondd" in loaded
