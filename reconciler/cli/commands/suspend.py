"""``stellwerk suspend``: have the daemon change nothing for some time."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import Duration, control_socket, socket_option, state_option


@click.command(
    short_help="Have the daemon change nothing, for maintenance.",
    epilog="""\b
Examples:
  stellwerk suspend --reason "replacing the antenna" --for 2h
  stellwerk resume""",
)
@click.option("--reason", required=True, help="Why; it is shown by `stellwerk status`.")
@click.option(
    "--for",
    "seconds",
    type=Duration(),
    help="End by itself after this time, such as 2h.  [default: at `stellwerk resume`]",
)
@state_option
@socket_option
def command(reason: str, seconds: int | None, state_folder: Path, socket: Path | None) -> int:
    """Have nothing changed on this node until `stellwerk resume`, the end of the time, or the machine's next start.

    It holds for `apply` too, and when the daemon is started anew.

    Exits 0 when that is so, 4 when a change waits to be confirmed.
    """
    from reconciler.cli import exit_codes
    from reconciler.services import by_hand

    if not reason.strip():
        raise click.UsageError("--reason is empty; whoever finds the node suspended wants to know why")
    by_hand.suspend(state_folder, control_socket(socket, state_folder), reason, seconds)
    click.echo("suspended: nothing is changed until `stellwerk resume`" + (", or the time is over" if seconds else ""))
    return exit_codes.DONE
