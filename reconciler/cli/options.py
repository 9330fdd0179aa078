"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def state_option(command: Command) -> Command:
    """Add the option that names the state folder."""
    option = click.option(
        "--state-dir",
        "state_folder",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="STELLWERK_STATE_DIR",
        default="/var/lib/stellwerk",
        show_default=True,
        show_envvar=True,
        help="Where what we own and cannot mark is written down; one folder for each network namespace.",
    )
    return option(command)
