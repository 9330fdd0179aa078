"""``stellwerk resume``: end a suspension."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(short_help="Have the daemon change the node again.")
@state_option
@socket_option
def command(state_folder: Path, socket: Path | None) -> int:
    """End what `stellwerk suspend` began.

    Exits 0 when that is done, 4 when nothing is suspended.
    """
    from reconciler.cli import exit_codes
    from reconciler.services import by_hand

    by_hand.resume(state_folder, control_socket(socket, state_folder))
    click.echo("resumed")
    return exit_codes.DONE
