"""``stellwerk status``: is the node what it should be, and does all that keeps it so work?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(
    short_help="Is this node synced and healthy, and why not?",
    epilog="""\b
Examples:
  stellwerk status
  stellwerk status --watch
  stellwerk status --json | jq .health""",
)
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON; with --watch, one line each time.")
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until it is stopped.")
@state_option
@socket_option
def command(as_json: bool, watch: bool, state_folder: Path, socket: Path | None) -> int:
    """Show how this node is, as the daemon `stellwerk run` sees it.

    Two axes: synced or drifted, is the node what its file says? Healthy or degraded, does all that keeps it so work?

    Where no daemon runs this shows what is known on disk.

    Exits 0 when it is synced and healthy, 2 when it is not, 1 when no daemon answers.
    """
    from reconciler.cli import exit_codes, status_text
    from reconciler.services.by_hand import status_on_disk
    from reconciler.services.control_client import Control, NobodyError

    try:
        control = Control(control_socket(socket, state_folder))
    except NobodyError as exc:
        _show(status_on_disk(state_folder, str(exc)), as_json, False)
        return exit_codes.FAILED
    if not watch:
        status = control.ask("status")["status"]
        _show(status, as_json, False)
        return status_text.exit_code(status)
    for told in control.request("watch"):
        if "status" in told:
            _show(told["status"], as_json, True)
    click.echo("stellwerk: the daemon has ended", err=True)
    return exit_codes.FAILED


def _show(status: dict[str, Any], as_json: bool, again: bool) -> None:
    from reconciler.cli import status_text

    if as_json:
        # Names of files need not be text, and not every output can spell what is.
        click.echo(json.dumps(status, indent=None if again else 2))
        return
    if again:
        click.clear()
    for line in status_text.lines(status):
        click.echo(line)
