"""``stellwerk check``: is a node file right?"""

from __future__ import annotations

import click


@click.command(
    short_help="Is a node file right?",
    epilog="""\b
Examples:
  stellwerk check node.yaml
  stellwerk check nodes/*.yaml
  template | stellwerk check -""",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="FILE...")
def command(files: tuple[str, ...]) -> int:
    """Say whether node files are right, anywhere and without rights: no node is looked at.

    Every error is told at once, with file:line:column. Exits 3 when a file is not right.
    """
    from intent.loading import load
    from intent.problems import IntentError
    from reconciler.cli import exit_codes

    code = exit_codes.DONE
    for file in files:
        try:
            node = load(file)
        except IntentError as exc:
            click.echo(str(exc), err=True)
            code = exit_codes.INVALID
        else:
            click.echo(f"{file}: ok, node {node.name}")
    return code
