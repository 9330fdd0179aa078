"""Options that several commands have."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_TIME = re.compile("(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?", re.ASCII)

DEFAULT_STATE_FOLDER = Path("/var/lib/stellwerk")


class Duration(click.ParamType[int]):
    """A time such as ``90s``, ``2m`` or ``1h30m``, as a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        from intent.durations import seconds, spelled
        from reconciler.services.applying import LONGEST_SECONDS

        found = value if isinstance(value, int) else seconds(value)
        # More digits than are read are no other mistake than too large a number.
        if _TIME.fullmatch(str(value)) if found is None else found > LONGEST_SECONDS:
            self.fail(f"{value!r:.60} is longer than {spelled(LONGEST_SECONDS)}, the longest time", param, ctx)
        if not found:
            self.fail(f"{value!r} is no time; write it like 60s, 5m or 1h30m", param, ctx)
        return found


def state_option(command: Command) -> Command:
    """Add the option that names the state folder."""
    option = click.option(
        "--state-dir",
        "state_folder",
        type=click.Path(path_type=Path, file_okay=False, readable=False),
        envvar="STELLWERK_STATE_DIR",
        default=DEFAULT_STATE_FOLDER,
        show_default=True,
        show_envvar=True,
        help="Where what we own and cannot mark is written down; one folder for each network namespace.",
    )
    return option(command)


def socket_option(command: Command) -> Command:
    """Add the option that names the daemon's control socket."""
    option = click.option(
        "--socket",
        "socket",
        type=click.Path(path_type=Path, dir_okay=False, readable=False),
        envvar="STELLWERK_SOCKET",
        show_envvar=True,
        help="The daemon's control socket.  [default: /run/stellwerk/socket; `socket` in another --state-dir]",
    )
    return option(command)


def control_socket(socket: Path | None, state_folder: Path) -> Path:
    """Return the path of the control socket that the options mean."""
    from reconciler.services.control_protocol import SOCKET

    if socket is not None:
        return socket
    return SOCKET if state_folder == DEFAULT_STATE_FOLDER else state_folder / SOCKET.name


def identity_option(command: Command) -> Command:
    """Add the option that names the node's identity; what it names holds for the whole process."""
    from reconciler.core.identity import IDENTITY, IDENTITY_VARIABLE

    def name_it(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
        if value is not None:
            os.environ[IDENTITY_VARIABLE] = str(value)

    option = click.option(
        "--identity",
        type=click.Path(path_type=Path, dir_okay=False, readable=False),
        expose_value=False,
        callback=name_it,
        metavar="FILE",
        envvar=IDENTITY_VARIABLE,
        show_envvar=True,
        help=f"What opens the age files of keys for this node.  [default: {IDENTITY}]",
    )
    return option(command)
