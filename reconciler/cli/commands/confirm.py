"""``stellwerk confirm``: keep a change that is on trial."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(
    short_help="Keep a change that would be undone otherwise.",
    epilog="""\b
Examples:
  stellwerk apply node.yaml --confirm 60s
  stellwerk confirm                         from any shell, within the time""",
)
@state_option
@socket_option
def command(state_folder: Path, socket: Path | None) -> int:
    """Keep the change that waits to be confirmed.

    A change waits after `apply --confirm`, or when the node file has `confirm` or `checks`. Unconfirmed, it is undone.

    Exits 0 when it stays, 4 when nothing waits, 5 when it is too late.
    """
    from reconciler.cli import exit_codes
    from reconciler.services import by_hand

    by_hand.confirm(state_folder, control_socket(socket, state_folder))
    click.echo("confirmed: the change stays")
    return exit_codes.DONE
