"""Colour is for terminals, unless NO_COLOR or FORCE_COLOR says otherwise (https://no-color.org)."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

SHOWS_A_LINE = """
import click
from reconciler import cli
from reconciler.cli import plan_text

@cli.stellwerk.command("line")
def line():
    click.echo(plan_text._line("+", "words", "why"))

cli.CommandFolder.get_command = lambda self, ctx, name: line
cli.run(["line"])
"""
PLAIN = "  + words  # why\n"
CLEAN = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}


def said(variables: dict[str, str], *, terminal: bool) -> str:
    command, environment = [sys.executable, "-c", SHOWS_A_LINE], {**CLEAN, "TERM": "xterm", **variables}
    root = Path(__file__).parents[3]
    if not terminal:
        return subprocess.run(
            command, cwd=root, env=environment, check=True, timeout=60, stdout=subprocess.PIPE, text=True
        ).stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=root, env=environment, stdout=theirs) as program:
        os.close(theirs)
        data = b""
        # Linux ends a terminal that nobody has open any more with EIO.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                data += part
        assert program.wait(timeout=60) == 0
    os.close(ours)
    return data.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": ""}, False),
        (False, {"FORCE_COLOR": "0"}, False),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_a_line(terminal: bool, variables: dict[str, str], coloured: bool) -> None:
    text = said(variables, terminal=terminal)
    assert ("\x1b[32m" in text) is coloured
    assert coloured or text == PLAIN
