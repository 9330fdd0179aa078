"""``stellwerk check``: is a node file right, or a whole fleet?"""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.cli.fleet_options import folder_type


@click.command(
    short_help="Is a node file right, or a whole fleet?",
    epilog="""\b
Examples:
  stellwerk check node.yaml
  stellwerk check nodes/*.yaml
  template | stellwerk check -
  stellwerk check --fleet .""",
)
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True), metavar="[FILE]...")
@click.option(
    "--fleet",
    "fleet",
    type=folder_type,
    help="Check instead the fleet in this folder: the complete document of each node, and all nodes beside each other.",
)
def command(files: tuple[str, ...], fleet: Path | None) -> int:
    """Say whether node files are right, anywhere and without rights: no node is looked at.

    Every error is told at once, with file:line:column. Exits 3 when a file is not right.

    Of a fleet, the files in rendered/ are not looked at: that is for `stellwerk render --check`.
    """
    if fleet is not None and files:
        raise click.UsageError("--fleet names the files itself; leave out the others")
    if fleet is not None:
        return _fleet(fleet)
    if not files:
        raise click.UsageError("name a node file, `-` for the standard input, or a fleet with --fleet")
    return _files(files)


def _files(files: tuple[str, ...]) -> int:
    from intent.display import printable
    from intent.loading import load
    from intent.problems import IntentError
    from reconciler.cli import exit_codes

    code = exit_codes.DONE
    for file in files:
        try:
            node = load(file)
        except IntentError as exc:
            click.echo(str(exc), err=True)
            if (fleet := _fleet_of(file)) is not None:
                click.echo(
                    f"note: {printable(file)} is part of a fleet: `stellwerk check --fleet {printable(str(fleet))}`",
                    err=True,
                )
            code = exit_codes.INVALID
        else:
            click.echo(f"{file}: ok, node {node.name}")
    return code


def _fleet_of(file: str) -> Path | None:
    """Return the folder of the fleet that a file is part of, without which it is no node file; ``None`` of others."""
    from intent.fleet import FLEET_FILE

    path = Path(file)
    folder = path.parent if path.name == FLEET_FILE else path.parent / ".."
    part_of_one = path.name == FLEET_FILE or path.absolute().parent.name in ("groups", "nodes", "roles")
    return Path(os.path.normpath(folder)) if part_of_one and (folder / FLEET_FILE).exists() else None


def _fleet(folder: Path) -> int:
    from intent.display import printable
    from reconciler.cli import exit_codes
    from reconciler.cli.fleet_options import progress
    from reconciler.services.fleet import FleetRun

    run = FleetRun(str(folder), os.environ)
    run.check(progress)
    for problem in run.fleet.unused():
        click.echo(f"note: {problem}", err=True)
    count = len(run.fleet.nodes)
    nodes = "1 node" if count == 1 else f"{count} nodes"
    click.echo(f"{printable(str(folder))}: ok, fleet {run.fleet.name} of {nodes}")
    return exit_codes.DONE
