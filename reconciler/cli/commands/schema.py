"""``stellwerk schema``: the JSON Schemas of node files and of a fleet's files."""

from __future__ import annotations

import click


@click.command(
    short_help="Print the JSON Schema of node files, for editors.",
    epilog="""\b
Example:
  stellwerk schema > node.schema.json
and as the first line of a node file, for editors with yaml-language-server:
  # yaml-language-server: $schema=node.schema.json""",
)
@click.argument("kind", type=click.Choice(["node", "fleet", "overlay"]), default="node")
def command(kind: str) -> int:
    """Print the JSON Schema of node files, with which editors complete and explain every field.

    Of the files of a fleet it is that of fleet.yaml (fleet), or of its groups, roles and nodes (overlay).
    """
    from intent.schema import text
    from reconciler.cli import exit_codes

    click.echo(text(kind), nl=False)
    return exit_codes.DONE
