"""``stellwerk snapshot``: what this node really has, written down."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import identity_option, state_option


@click.command(
    short_help="Write down what this node really has.",
    epilog="""\b
Examples:
  stellwerk snapshot --out snapshot.json
  ssh root@roof-1 stellwerk snapshot > snapshots/roof-1.json
  stellwerk snapshot | jq '.objects[] | select(.kind == "Route").is'""",
)
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option(
    "--out",
    type=click.Path(allow_dash=True, dir_okay=False, path_type=Path),
    default="-",
    help="Where to write it, with mode 0600, whole or not at all; - is the output.  [default: -]",
)
@identity_option
@state_option
def command(file: str | None, out: Path, state_folder: Path) -> int:
    """Write down what this node really has, as JSON for `stellwerk audit --snapshot`. Changes nothing.

    It has what stellwerk looks at, of its own and of others, and no secrets: of private keys the public halves, of
    others fingerprints. What FILE refers to is looked up; without FILE, what the held document refers to.

    Exits 0 when all was seen, 1 when something could not be, which the snapshot says.
    """
    from intent.loading import load
    from reconciler.backends.atomic_files import replace_file
    from reconciler.backends.machine_clock import MachineClock
    from reconciler.cli import exit_codes
    from reconciler.core.errors import StellwerkError
    from reconciler.core.snapshot import lines
    from reconciler.services import this_node
    from reconciler.services.snapshots import take

    node = None if file is None else load(file)
    with this_node.this_node(state_folder) as here:
        snapshot = take(here, MachineClock().wall(), node)
    if str(out) == "-":
        for line in lines(snapshot):
            click.echo(line, nl=False)
    else:
        try:
            replace_file(str(out.absolute()), "".join(lines(snapshot)).encode(), 0o600)
        except OSError as exc:
            raise StellwerkError(f"{out} cannot be written: {exc.strerror or exc}") from exc
    for what, why in sorted(snapshot.observation.unseen.items()):
        click.echo(f"not seen: {what}: {why}", err=True)
    return exit_codes.FAILED if snapshot.observation.unseen else exit_codes.DONE
