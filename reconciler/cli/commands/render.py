"""``stellwerk render``: the complete documents of a fleet's nodes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.fleet_options import complete_nodes, fleet_option

if TYPE_CHECKING:
    from reconciler.services.fleet_writing import Differences, RenderedFolder

_WRITTEN = ("new", "changed", "removed")
_DIFFERS = ("missing", "differs", "left over")
_MOST_NAMED = 50


@click.command(
    short_help="Write the complete node files of a fleet.",
    epilog="""\b
Examples:
  stellwerk render                        write all that have changed to rendered/
  stellwerk render berlin-7               print one
  stellwerk render berlin-7 --explain     which file gave each field?
  stellwerk render --check                for CI: are those in rendered/ the right ones?""",
)
@click.argument("nodes", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@fleet_option
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Write and print nothing; exit 2 when a file in rendered/ is not what would be written.",
)
@click.option("--explain", is_flag=True, help="Print for each field its value, and which line of which file gave it.")
@click.option("--json", "as_json", is_flag=True, help="With --explain: print it as JSON.")
def command(nodes: tuple[str, ...], fleet: Path | None, only_check: bool, explain: bool, as_json: bool) -> int:
    """Make complete node files from what the nodes of a fleet have in common.

    Prints those of the nodes that are named. Without a name, writes those of all nodes to the folder rendered/ of the
    fleet, only where they change, and removes those of nodes that are gone. Nothing is written when any node is wrong.

    What concerns several nodes is for `stellwerk check --fleet`.
    """
    from reconciler.cli.fleet_options import fleet_folder

    if explain and only_check:
        raise click.UsageError("--check prints no fields; leave out --explain")
    if explain and not nodes:
        raise click.UsageError("--explain needs the name of a node")
    if as_json and not explain:
        raise click.UsageError("--json is for --explain")
    folder = fleet_folder(fleet)
    if only_check or not nodes:
        return _all(folder, nodes, only_check)
    return _some(folder, nodes, explain, as_json)


def _some(folder: Path, names: tuple[str, ...], explain: bool, as_json: bool) -> int:
    from intent.fleet.repository import read_fleet
    from intent.problems import IntentError
    from reconciler.cli import exit_codes, explained_text
    from reconciler.cli.fleet_options import refuse_unknown

    whole = read_fleet(str(folder))
    refuse_unknown(names, whole.nodes, folder)
    found, errors = [], []
    for name in names:
        try:
            found.append(whole.render(name))
        except IntentError as exc:
            errors.append(exc)
    if errors:
        raise IntentError((one for error in errors for one in error.problems), sum(error.more for error in errors))
    if as_json:
        click.echo(json.dumps(explained_text.to_json(found), indent=2, ensure_ascii=False))
        return exit_codes.DONE
    for number, one in enumerate(found):
        if explain:
            if len(found) > 1:
                click.echo(f"{'' if number == 0 else chr(10)}{one.node.name}")
            for line in explained_text.lines(one):
                click.echo(line)
        else:
            click.echo(("---\n" if number else "") + one.text, nl=False)
    return exit_codes.DONE


def _all(folder: Path, names: tuple[str, ...], only_check: bool) -> int:
    from intent.display import printable
    from reconciler.cli import exit_codes
    from reconciler.cli.fleet_options import progress, refuse_unknown
    from reconciler.services.fleet import FleetRun
    from reconciler.services.fleet_writing import RenderedFolder

    run = FleetRun(str(folder), os.environ)
    refuse_unknown(names, run.fleet.nodes, folder)
    documents = RenderedFolder(folder)
    found = documents.compare(run, names, progress)
    for name in found.foreign:
        click.echo(f"note: {printable(str(documents.file(name)))} is no node's and not ours; it stays", err=True)
    if not only_check:
        documents.write(found)
        _tell(documents, found, _WRITTEN, _MOST_NAMED)
        click.echo(f"{found.count} written or removed, {found.same} unchanged")
        return exit_codes.DONE
    _tell(documents, found, _DIFFERS, found.count)
    click.echo(f"{found.count} not as `stellwerk render` would write them, {found.same} right")
    return exit_codes.DIFFERENT if found.count else exit_codes.DONE


def _tell(documents: RenderedFolder, found: Differences, words: tuple[str, str, str], most: int) -> None:
    """Say what became of the documents, a line for each that is not as it was, or should be."""
    from intent.display import printable

    lines = [
        f"{word:9}  {printable(str(documents.file(name)))}"
        for word, names in zip(words, (found.new, found.changed, found.gone), strict=True)
        for name in names
    ]
    for line in lines[:most]:
        click.echo(line)
    if len(lines) > most:
        click.echo(f"… and {len(lines) - most} more")
