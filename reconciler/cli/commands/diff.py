"""``stellwerk diff``: what would change on which node between two revisions of a repository?"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(
    short_help="What changes on which node between two revisions?",
    epilog="""\b
Examples:
  stellwerk diff main                     from there to the files as they are now
  stellwerk diff main feature --node berlin-7
  stellwerk diff HEAD~1 HEAD --format markdown > comment.md
  stellwerk diff --fleet fleet.git v1 v2  a bare repository""",
)
@click.argument("before", metavar="REV1")
@click.argument("after", metavar="[REV2]", required=False)
@click.option(
    "--fleet",
    "fleet",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder in the repository, or a bare repository.  [default: this folder]",
)
@click.option("--node", "names", multiple=True, metavar="NAME", help="Only this node; may be given more than once.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "markdown", "json")),
    default="text",
    show_default=True,
    help="Lines for people, Markdown for a pull request, or JSON.",
)
def command(before: str, after: str | None, fleet: Path | None, names: tuple[str, ...], format_: str) -> int:
    """Show what a change in git would do to each node, without touching any: a plan from document to document.

    The repository is that of a fleet, or has plain node files. Without REV2 the working tree is compared. What only a
    node can know, such as the value of a key, is taken to be the same on both sides.

    Exits 0 when nothing changes on any node, 2 when something does, 3 when a document of REV2 is invalid.
    """
    from reconciler.backends.git import Git
    from reconciler.cli import diff_text, exit_codes
    from reconciler.cli.fleet_options import progress
    from reconciler.services.revisions import compare

    comparison = compare(Git(fleet or Path()), before, after, names, progress)
    if format_ == "json":
        click.echo(json.dumps(diff_text.as_json(comparison), indent=2))
    elif format_ == "markdown":
        click.echo(diff_text.markdown(comparison), nl=False)
    else:
        for line in diff_text.text(comparison):
            click.echo(line)
    if comparison.invalid:
        return exit_codes.INVALID
    return exit_codes.DIFFERENT if comparison.changes or any(comparison.problems) else exit_codes.DONE
