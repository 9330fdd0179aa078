"""``stellwerk schema``: the JSON Schema of the node file."""

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
def command() -> int:
    """Print the JSON Schema of node files, with which editors complete and explain every field."""
    import json

    from intent.schema import node_schema
    from reconciler.cli import exit_codes

    click.echo(json.dumps(node_schema(), indent=2, ensure_ascii=False))
    return exit_codes.DONE
