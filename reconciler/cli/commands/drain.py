"""``stellwerk drain``: withdraw exits of this node before it is worked on."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.cli.options import Duration, control_socket, socket_option, state_option


@click.command(
    short_help="Withdraw exits of this node, for maintenance.",
    epilog="""\b
Examples:
  stellwerk drain --reason "new kernel" --for 2h
  stellwerk drain 2001:db8:42::/56
  stellwerk undrain""",
)
@click.argument("prefixes", nargs=-1, metavar="[PREFIX]...")
@click.option(
    "--for",
    "seconds",
    type=Duration(),
    help="End by itself after this time, such as 2h, by the daemon.  [default: at `stellwerk undrain`]",
)
@click.option("--reason", default="", help="Why; it is shown by `stellwerk status`.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON.")
@state_option
@socket_option
def command(
    prefixes: tuple[str, ...], seconds: int | None, reason: str, as_json: bool, state_folder: Path, socket: Path | None
) -> int:
    """Announce the exits for these prefixes no more, without any all of this node's, until `stellwerk undrain`.

    Each neighbour is told before the way out goes: the traffic moves to other exits, and this waits for it. It holds
    over restarts of the daemon and of the machine. Where no other node announces a prefix, its clients have no way out
    meanwhile.

    Exits 0 when they are drained, 1 when one is not yet, 4 when this node has no such exit, or when nobody runs here
    who would end it after a time.
    """
    from reconciler.cli import drain_text
    from reconciler.services import by_hand
    from reconciler.services.draining import LONGEST_REASON, DrainRequest

    if len(reason := reason.strip()) > LONGEST_REASON:
        raise click.UsageError(f"--reason has {len(reason)} characters; at most {LONGEST_REASON} are shown")
    request = DrainRequest(prefixes, reason, None if seconds is None else float(seconds))
    told = by_hand.drain(state_folder, control_socket(socket, state_folder), request)
    for line in [json.dumps(told, indent=2)] if as_json else drain_text.drained(told):
        click.echo(line)
    return drain_text.exit_code(told)
