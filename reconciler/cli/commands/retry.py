"""``stellwerk retry``: let what was rolled back be tried again."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(short_help="Let a change that was rolled back be tried again.")
@state_option
@socket_option
def command(state_folder: Path, socket: Path | None) -> int:
    """Let what was rolled back be tried again, which is refused until then or until the node file changes.

    A daemon whose node file still says it tries it at once, on trial as before.

    Exits 0 when that is done, 4 when nothing is in quarantine.
    """
    from reconciler.cli import exit_codes
    from reconciler.services import by_hand

    by_hand.retry(state_folder, control_socket(socket, state_folder))
    click.echo("what was rolled back may be tried again")
    return exit_codes.DONE
