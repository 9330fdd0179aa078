"""``stellwerk history``: what was changed on this node, when and why, and has anybody edited that?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import state_option

if TYPE_CHECKING:
    from reconciler.backends.history_file import HistoryFile
    from reconciler.core.history import Head


def _head(context: click.Context, option: click.Parameter, value: str | None) -> Head | None:
    """Return the head that was noted. Raises click.BadParameter."""
    from reconciler.core.history import Head

    if value is None:
        return None
    try:
        head = Head.parse(value.strip().removeprefix("head "))
    except ValueError as exc:
        raise click.BadParameter(str(exc), context, option) from exc
    if not head.number:
        raise click.BadParameter("entries are counted from 1", context, option)
    return head


@click.command(
    short_help="What was changed on this node, when and why?",
    epilog="""\b
Examples:
  stellwerk history --last 5
  stellwerk history --last 0 --json | jq 'select(.event == "failed")'
  stellwerk history --verify
  stellwerk history --verify --head 1:…    the head that an earlier --verify printed
  stellwerk history --export node.history
  stellwerk history --verify-export node.history --repository fleet""",
)
@click.option("--json", "as_json", is_flag=True, help="Print the entries as they are kept: a JSON object a line.")
@click.option(
    "--last",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="How many entries to show; 0 for all that are kept.",
)
@click.option(
    "--verify", is_flag=True, help="Check instead that no entry was altered, dropped or put in, and print the head."
)
@click.option(
    "--head",
    "noted",
    metavar="NUMBER:HASH",
    callback=_head,
    help="With --verify or --verify-export: check too that the history runs through this head, which was printed "
    "and noted earlier.",
)
@click.option(
    "--export",
    "export",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write all entries and the head to one file instead, for an auditor to take away; - is the standard output.",
)
@click.option(
    "--verify-export",
    "exported",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Check such a file, anywhere, and show its entries.",
)
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="With --verify-export: check too that each commit an entry names is in this repository of git, is by that "
    "author, and has that document.",
)
@state_option
def command(
    as_json: bool,
    last: int,
    verify: bool,
    noted: Head | None,
    export: str | None,
    exported: str | None,
    repository: Path | None,
    state_folder: Path,
) -> int:
    """Show what `stellwerk` did on this node, the newest last. Changes nothing.

    With --verify, exits 0 when the history is proven to be as it was written, 1 when it is not, or when there is
    none. Who can write the files could replace all of them: note the head elsewhere, and compare it with --head.
    """
    from reconciler.backends.history_file import HistoryFile

    if sum((verify, export is not None, exported is not None)) > 1:
        raise click.UsageError("--verify, --export and --verify-export are three things; choose one")
    if noted is not None and not verify and exported is None:
        raise click.UsageError("--head is for --verify and --verify-export")
    if repository is not None and exported is None:
        raise click.UsageError("--repository is for --verify-export")
    if as_json and (verify or export is not None):
        raise click.UsageError("--verify and --export print no entries; leave out --json")
    if exported is not None:
        return _verify_export(exported, noted, repository, as_json)
    history = HistoryFile(state_folder)
    if export is not None:
        return _export(history, export)
    return _verify(history, noted, state_folder) if verify else _show(history, last, as_json)


def _show(history: HistoryFile, last: int, as_json: bool) -> int:
    from intent.display import printable
    from reconciler.cli import exit_codes, history_text

    shown = False
    for line in history.recent_lines(last) if last else history.lines():
        shown = True
        if as_json:
            # An entry is plain ASCII; what was made of it by others must not reach a terminal as it is.
            click.echo(printable(line.removesuffix(b"\n").decode("utf-8", errors="surrogateescape")))
            continue
        for words in history_text.lines(line):
            click.echo(words)
    if not shown:
        click.echo("nothing was done here yet", err=True)
    return exit_codes.DONE


def _export(history: HistoryFile, path: str) -> int:
    from reconciler.cli import exit_codes
    from reconciler.core.history_export import spelled

    lines, head = history.at_one_moment()
    if not lines:
        click.echo("nothing was done here yet; nothing is written", err=True)
        return exit_codes.FAILED
    with click.open_file(path, "wb") as file:
        file.write(spelled(lines, head))
    return exit_codes.DONE


def _verify_export(path: str, noted: Head | None, repository: Path | None, as_json: bool) -> int:
    from intent.display import printable
    from reconciler.backends.git import Git
    from reconciler.cli import exit_codes, history_text
    from reconciler.core.history_export import judged, parse, requests
    from reconciler.services.history_checking import flaws_by_git

    with click.open_file(path, "rb") as file:
        lines, head = parse(file.read())
    asked = requests(lines)
    flaws = [] if repository is None else flaws_by_git(asked, Git(repository))
    verdict = judged(lines, head, noted, flaws)
    if as_json:
        click.echo(history_text.verdict_json(verdict, lines))
        return exit_codes.FAILED if verdict.flaws or not verdict.entries else exit_codes.DONE
    for line in lines:
        for words in history_text.lines(line):
            click.echo(words)
        if request := history_text.request(line):
            click.echo(f"  {request}")
    for words in history_text.verdict_lines(verdict):
        click.echo(words)
    if verdict.flaws or not verdict.entries:
        click.echo(f"stellwerk: {printable(path)} is not to be trusted; see above", err=True)
        return exit_codes.FAILED
    commits = len({one.commit for one in asked})
    click.echo(
        "verified: no entry was altered, dropped or put in"
        + ("" if repository is None else f"; {commits} commits agree")
    )
    return exit_codes.DONE


def _verify(history: HistoryFile, noted: Head | None, folder: Path) -> int:
    from reconciler.cli import exit_codes, history_text

    verdict = history.verify(noted)
    if not verdict.entries and not verdict.flaws:
        click.echo(f"stellwerk: there is no history in {folder}, so nothing is proven", err=True)
        return exit_codes.FAILED
    for words in history_text.verdict_lines(verdict):
        click.echo(words)
    if verdict.flaws:
        click.echo("stellwerk: the history is not as it was written; see above", err=True)
        return exit_codes.FAILED
    if noted is not None:
        click.echo(f"it runs through entry {noted.number} as it was noted")
    click.echo("verified: no entry was altered, dropped or put in")
    return exit_codes.DONE
