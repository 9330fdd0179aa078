"""The service files: what they start is a command of ours, and they are installed with it."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from reconciler.cli import stellwerk
from reconciler.cli.commands.run import command as run
from reconciler.cli.options import DEFAULT_STATE_FOLDER
from reconciler.services.control_protocol import SOCKET
from tests.pure.docs.markdown import ROOT

FOLDER = ROOT / "docs" / "service"
UNIT = FOLDER / "stellwerk.service"
STATS_UNIT = FOLDER / "stellwerk-stats.service"
INIT = FOLDER / "stellwerk.init"
# What /etc/rc.common and /lib/functions/procd.sh of OpenWrt give a script, each saying how it was called.
PROCD = """
for name in procd_open_instance procd_set_param procd_close_instance procd_send_signal; do
    eval "$name() { echo $name \\"\\$@\\"; }"
done
"""


def settings() -> dict[str, str]:
    """Return the settings of the unit; those that stand twice are not asked for here."""
    lines = [line for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def procd(function: str, root: Path) -> list[str]:
    """Return what the init script says to procd; its folders are below another root."""
    script = INIT.read_text().replace("/etc/stellwerk", f"{root}/etc/stellwerk").replace("/var/", f"{root}/var/")
    done = subprocess.run(
        ["sh", "-euc", f"{PROCD}\n{script}\n{function}"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return [line.replace(str(root), "") for line in done.stdout.splitlines()]


def is_a_command(words: list[str]) -> None:
    program, name, *arguments = words
    assert program == "stellwerk"
    assert stellwerk.get_command(click.Context(stellwerk), name) is run
    # Raises what the command line would refuse.
    run.make_context("run", arguments)


def test_the_unit_starts_the_daemon() -> None:
    words = shlex.split(settings()["ExecStart"])
    is_a_command(words)
    assert Path(words[-1]).is_relative_to(settings()["ReadWritePaths"])


def test_the_unit_of_statistics_starts_them_alone() -> None:
    (started,) = re.findall(r"^ExecStart=stellwerk (.*)$", STATS_UNIT.read_text(), re.MULTILINE)
    name, *arguments = shlex.split(started)
    command = stellwerk.get_command(click.Context(stellwerk), name)
    assert command is not None
    context = command.make_context(name, arguments)
    assert context.params["file"] == Path("/etc/stellwerk/node.yaml")


def test_the_unit_keeps_what_outlives_the_daemon() -> None:
    told = settings()
    assert told["KillMode"] == "process"
    assert told["RuntimeDirectoryPreserve"] == "yes"
    assert Path("/var/lib", told["StateDirectory"]) == DEFAULT_STATE_FOLDER
    assert told["StateDirectoryMode"] == "0700"
    assert SOCKET.parent in [Path("/run", name) for name in told["RuntimeDirectory"].split()]


def test_the_unit_waits_for_no_network_and_does_not_give_up() -> None:
    told = settings()
    assert (told["After"], told["Wants"]) == ("network-pre.target", "network-pre.target")
    assert "Before" not in told
    assert "Requires" not in told
    assert (told["Restart"], told["StartLimitIntervalSec"]) == ("always", "0")
    assert (told["Type"], told["ExecReload"]) == ("notify", "/bin/kill -HUP $MAINPID")


def test_the_init_script_starts_the_daemon_and_keeps_its_state_on_flash(tmp_path: Path) -> None:
    said = procd("start_service", tmp_path)
    assert said[0] == "procd_open_instance"
    assert said[-1] == "procd_close_instance"
    (command,) = [line for line in said if line.startswith("procd_set_param command ")]
    is_a_command(shlex.split(command)[2:])
    assert "procd_set_param respawn 3600 5 0" in said
    expected = Path(f"{tmp_path}{DEFAULT_STATE_FOLDER}")
    assert expected.resolve() == tmp_path / "etc" / "stellwerk" / "state"
    assert expected.stat().st_mode & 0o777 == 0o700


def test_the_init_script_can_start_twice_and_leaves_a_folder_that_is_there(tmp_path: Path) -> None:
    assert procd("start_service", tmp_path) == procd("start_service", tmp_path)
    expected = Path(f"{tmp_path}{DEFAULT_STATE_FOLDER}")
    assert list(expected.iterdir()) == []
    expected.unlink()
    expected.mkdir()
    procd("start_service", tmp_path)
    assert not expected.is_symlink()
    assert list(expected.iterdir()) == []


def test_the_init_script_reloads_by_a_signal(tmp_path: Path) -> None:
    assert procd("reload_service", tmp_path) == ["procd_send_signal stellwerk * HUP"]


@pytest.mark.parametrize("file", [UNIT, STATS_UNIT, INIT], ids=lambda path: path.name)
def test_it_is_installed_with_the_program(file: Path) -> None:
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    assert str(file.relative_to(ROOT)) in folders["share/stellwerk"]


def test_the_services_are_all_told_of() -> None:
    readme = (ROOT / "README.md").read_text()
    assert all(f"docs/service/{path.name}" in readme for path in FOLDER.iterdir())
