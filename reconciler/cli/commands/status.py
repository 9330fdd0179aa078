"""``stellwerk status``: is the node what it should be, and does all that keeps it so work?"""

from __future__ import annotations

import json
from pathlib import Path

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

    Exits 0 when it is synced and healthy, 2 when it is not, 1 when no daemon answers.
    """
    from reconciler.cli import exit_codes, status_text
    from reconciler.services.control_client import Control

    control = Control(control_socket(socket, state_folder))
    code = exit_codes.DONE
    last = None
    for told in control.request("watch" if watch else "status"):
        status = told.get("status")
        if status is None or (watch and status == last):
            continue
        last = status
        code = status_text.exit_code(status)
        if as_json:
            click.echo(json.dumps(status, indent=None if watch else 2, ensure_ascii=False))
            continue
        if watch:
            click.clear()
        for line in status_text.lines(status):
            click.echo(line)
    return code
