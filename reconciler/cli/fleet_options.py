"""The option that names a fleet's folder, the names of its nodes for shells, and a bar for those who wait."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from intent.fleet import FLEET_FILE

Command = TypeVar("Command", bound=Callable[..., Any])

SHOWN_FROM = 64
"""Fewer nodes are done before anybody could read a bar."""

folder_type = click.Path(exists=True, file_okay=False, readable=False, path_type=Path)


def fleet_option(command: Command) -> Command:
    """Add the option that names the fleet's folder."""
    option = click.option(
        "--fleet",
        "fleet",
        type=folder_type,
        help=f"The fleet's folder.  [default: the nearest one upwards from here that has {FLEET_FILE}]",
    )
    return option(command)


def fleet_folder(named: Path | None) -> Path:
    """Return the fleet's folder. Raises click.UsageError where none is named and there is none upwards from here."""
    if named is not None:
        return named
    folder = Path()
    for _ in Path.cwd().parents:
        if (folder / FLEET_FILE).exists():
            return folder
        folder = folder / ".."
    if (folder / FLEET_FILE).exists():
        return folder
    raise click.UsageError(f"there is no {FLEET_FILE} here or in a folder above; name the fleet's folder with --fleet")


def complete_nodes(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names of nodes that begin so; none where the folder cannot be read."""
    try:
        files = os.listdir(fleet_folder(context.params.get("fleet")) / "nodes")
    except (OSError, click.UsageError):
        return []
    names = sorted(file.removesuffix(".yaml") for file in files if file.endswith(".yaml") and file.isprintable())
    given = context.params.get(parameter.name or "") or ()
    return [CompletionItem(name) for name in names if name.startswith(begun) and name not in given]


def refuse_unknown(names: Sequence[str], known: Sequence[str], folder: Path) -> None:
    """Raise click.UsageError for the first name that no node of the fleet has."""
    import difflib

    from intent.display import quoted

    nodes = set(known)
    for name in names:
        if name in nodes:
            continue
        longer = [node for node in known if name and node.startswith(name)]
        near = longer or difflib.get_close_matches(name[:100], known, 1)
        advice = f"did you mean {near[0]}?" if near else f"a node is a file {folder / 'nodes' / 'NAME.yaml'}"
        raise click.UsageError(f"the fleet has no node {quoted(name)}; {advice}")


@contextmanager
def progress(count: int) -> Iterator[Callable[[], None]]:
    """Give what is to be called after each node; at a terminal a bar shows how far it is."""
    hidden = count < SHOWN_FROM or not sys.stderr.isatty()
    with click.progressbar(length=count, label="rendering", file=sys.stderr, hidden=hidden) as bar:
        yield lambda: bar.update(1)
