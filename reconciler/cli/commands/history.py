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
  stellwerk history --verify --head 1:…    the head that an earlier --verify printed""",
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
    help="With --verify: check too that the history runs through this head, which was printed and noted earlier.",
)
@state_option
def command(as_json: bool, last: int, verify: bool, noted: Head | None, state_folder: Path) -> int:
    """Show what `stellwerk` did on this node, the newest last. Changes nothing.

    With --verify, exits 0 when the history is proven to be as it was written, 1 when it is not, or when there is
    none. Who can write the files could replace all of them: note the head elsewhere, and compare it with --head.
    """
    from reconciler.backends.history_file import HistoryFile

    if noted is not None and not verify:
        raise click.UsageError("--head is for --verify")
    if as_json and verify:
        raise click.UsageError("--verify prints no entries; leave out --json")
    history = HistoryFile(state_folder)
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
