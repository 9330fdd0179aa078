"""``stellwerk undrain``: announce exits of this node again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(
    short_help="Take back exits that were drained.",
    epilog="""\b
Examples:
  stellwerk undrain
  stellwerk undrain 2001:db8:42::/56""",
)
@click.argument("prefixes", nargs=-1, metavar="[PREFIX]...")
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON.")
@state_option
@socket_option
def command(prefixes: tuple[str, ...], as_json: bool, state_folder: Path, socket: Path | None) -> int:
    """Announce the exits for these prefixes again, without any all that were drained.

    One whose interface has no carrier, or whose checks fail, stays withdrawn until that is over.

    Exits 0 when they are not drained any more, 1 when one is to be announced and is not yet, 4 when none of that name
    is drained.
    """
    from reconciler.cli import drain_text
    from reconciler.services import by_hand
    from reconciler.services.draining import DrainRequest

    told = by_hand.undrain(state_folder, control_socket(socket, state_folder), DrainRequest(prefixes))
    for line in [json.dumps(told, indent=2)] if as_json else drain_text.undrained(told):
        click.echo(line)
    return drain_text.exit_code(told)
