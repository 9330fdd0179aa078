"""``stellwerk reconcile``: have the daemon look at everything now."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(short_help="Have the daemon look at everything, and try again what failed.")
@click.option("--allow-deletes", is_flag=True, help="Take on the node file that was refused for how much it deletes.")
@state_option
@socket_option
def command(allow_deletes: bool, state_folder: Path, socket: Path | None) -> int:
    """Have the daemon read its node file, look at everything and try everything again, now.

    Exits 0 when the node is synced and healthy then, 2 when it is not, 3 when the node file is invalid, 4 when it was
    refused, 1 when no daemon answers.
    """
    from reconciler.cli import exit_codes, status_text
    from reconciler.services.control_client import Control

    status = Control(control_socket(socket, state_folder)).ask("reconcile", allow_deletes=allow_deletes)["status"]
    click.echo(status_text.heading(status))
    for line in status_text.reasons(status):
        click.echo(line)
    if status["intent"]["problem"] is not None:
        return exit_codes.INVALID
    # A daemon from before an upgrade does not tell.
    return exit_codes.REFUSED if status["intent"].get("refused") is not None else status_text.exit_code(status)
