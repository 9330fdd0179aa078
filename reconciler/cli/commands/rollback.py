"""``stellwerk rollback``: undo a change that is on trial."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(
    short_help="Undo a change that waits to be confirmed.",
    epilog="""\b
Examples:
  stellwerk apply node.yaml --confirm 60s
  stellwerk rollback                        from any shell, within the time""",
)
@state_option
@socket_option
def command(state_folder: Path, socket: Path | None) -> int:
    """Undo the change that waits to be confirmed, at once.

    It is not tried again until the node file changes, or `stellwerk retry` is said.

    Exits 0 when the node is as it was before, 1 when not all of it could be undone yet, 4 when nothing waits.
    """
    from reconciler.cli import exit_codes
    from reconciler.services import by_hand

    status = by_hand.roll_back(state_folder, control_socket(socket, state_folder))
    if status["sync"]["state"] != "synced":
        click.echo(f"stellwerk: rolled back, but {status['sync']['reason'] or 'not all could be seen'}", err=True)
        return exit_codes.FAILED
    click.echo("rolled back: the node is as it was before")
    return exit_codes.DONE
