"""The man page has every command and option, and no others."""

from __future__ import annotations

import re

import click
import pytest

from reconciler.cli import exit_codes, stellwerk
from reconciler.services.control_protocol import SOCKET
from tests.pure.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "stellwerk.1").read_text()
CONTEXT = click.Context(stellwerk)


def command_names() -> list[str]:
    """Return the names of all commands, those inside another behind its name."""
    found = []
    for name in stellwerk.list_commands(CONTEXT):
        command = stellwerk.get_command(CONTEXT, name)
        found += [f"{name} {inner}" for inner in command.commands] if isinstance(command, click.Group) else [name]
    return sorted(found)


COMMANDS = command_names()
MACROS = frozenset(
    re.findall(r"\w+", "Ar Bd Bl Brq Cm Dd Dl Dt Dv Ed El Em Ev Fl It Nd Nm Oc Oo Op Os Pa Pp Ql Sh Sq Sx Va Xr")
)


def section(name: str) -> str:
    return PAGE.partition(f".Sh {name}\n")[2].partition("\n.Sh ")[0]


def options(text: str) -> set[str]:
    """Return the options that are items of a list in the text."""
    items = re.findall(r"^\.It Fl (.*)$", text, re.MULTILINE)
    return {f"-{word.split()[0]}" for item in items for word in item.split(" , Fl ")}


def command_of(name: str) -> click.Command:
    outer, _, inner = name.partition(" ")
    found = stellwerk.get_command(CONTEXT, outer)
    if inner and isinstance(found, click.Group):
        found = found.get_command(CONTEXT, inner)
    assert found is not None
    return found


def params(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option) and not param.hidden]


def names(command: click.Command) -> set[str]:
    return {name for option in params(command) for name in (*option.opts, *option.secondary_opts)}


def described() -> dict[str, str]:
    """Return what the page says about each command."""
    text = section("COMMANDS").partition("Without a command:")[0]
    _, *parts = re.split(r"^\.It Cm (\w+(?: [a-z]+)?)", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_commands() -> None:
    assert sorted(described()) == COMMANDS
    assert sorted(re.findall(r"^\.Cm (\w+(?: [a-z]+)?)$", section("SYNOPSIS"), re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_options(name: str) -> None:
    command = command_of(name)
    assert options(described()[name]) == names(command)
    synopsis = section("SYNOPSIS").partition(f".Cm {name}\n")[2].partition(".Nm\n")[0]
    shown = re.findall(r"^\.(Op )?Fl (\S+)", synopsis, re.MULTILINE)
    assert {f"-{option}" for _, option in shown} == names(command)
    required = {name for option in params(command) if option.required for name in option.opts}
    assert {f"-{option}" for optional, option in shown if not optional} == required
    for argument in command.params:
        if isinstance(argument, click.Argument) and isinstance(argument.type, click.Choice):
            macro = "Brq" if argument.required else "Op"
            assert f".{macro} Cm {' | '.join(argument.type.choices)}" in synopsis
        elif isinstance(argument, click.Argument):
            assert re.search(r"^\.Ar", synopsis, re.MULTILINE)


def test_options_without_a_command() -> None:
    told = options(section("COMMANDS").partition("Without a command:")[2])
    help_option = stellwerk.get_help_option(click.Context(stellwerk, **stellwerk.context_settings))
    assert help_option is not None
    assert told == names(stellwerk) | set(help_option.opts)


def test_environment() -> None:
    used = {option.envvar for name in COMMANDS for option in params(command_of(name)) if option.envvar}
    told = set(re.findall(r"^\.It Ev (\w+)$", section("ENVIRONMENT"), re.MULTILINE))
    # What a service manager sets is no option's.
    others = {"FORCE_COLOR", "NO_COLOR", "XDG_CACHE_HOME", "JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC"}
    assert told == used | others


def test_defaults() -> None:
    (default,) = {
        option.default for name in COMMANDS for option in params(command_of(name)) if "--state-dir" in option.opts
    }
    assert f".Pa {default} ." in described()["apply"]
    assert f".It Pa {default}/inventory.json\n" in section("FILES")
    assert f".Pa {SOCKET} ," in described()["apply"]
    assert f".It Pa {SOCKET}\n" in section("FILES")


def test_exit_status() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    told = {int(code) for code in re.findall(r"^\.It (\d+)$", section("EXIT STATUS"), re.MULTILINE)}
    # 130 is the shell's: 128 and the number of SIGINT.
    assert told == codes | {130}


def test_the_examples_are_commands() -> None:
    shown = re.findall(r"^\.Dl [#$] stellwerk (\w+)", section("EXAMPLES"), re.MULTILINE)
    assert shown
    assert set(shown) <= {name.partition(" ")[0] for name in COMMANDS}


def test_the_markup_is_whole() -> None:
    used = re.findall(r"^\.(\w+)", PAGE, re.MULTILINE)
    assert set(used) <= MACROS
    for begin, end in (("Bl", "El"), ("Bd", "Ed")):
        assert used.count(begin) == used.count(end)
    assert all(len(line) <= 80 for line in PAGE.splitlines())
