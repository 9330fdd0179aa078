"""What changes between two revisions, for people: as lines, as Markdown for pull requests, and as JSON."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import click

from intent.display import printable
from reconciler.cli import plan_text
from reconciler.services.revisions import Comparison, NodeChange

VERSION = 1
FORMATS = ("text", "markdown", "json")
MOST_CHARACTERS = 60_000
"""How long the Markdown may become: forges cut a comment at 65,536 characters."""
_MOST_NAMED = 20
_ORDER = ("invalid", "changed", "new", "gone")
_WORDS = {"invalid": "is invalid", "changed": "changes", "new": "is new", "gone": "is gone"}
_WORDS_FOR_MANY = {"invalid": "are invalid", "changed": "change alike", "new": "are new", "gone": "are gone"}

Group = tuple[Sequence[NodeChange], Sequence[str]]


def summary(comparison: Comparison) -> str:
    """Return one line that counts what changes."""
    changes = comparison.changes
    count = {change: sum(one.change == change for one in changes) for change in _ORDER}
    interrupted = sum(one.interrupts for one in changes)
    changed = _nodes(count["changed"]) + (" changes" if count["changed"] == 1 else " change")
    parts = [changed] if count["changed"] else []
    parts += [f"{interrupted} with replacements or interruptions"] if interrupted else []
    parts += [f"{count[change]} {change}" for change in ("new", "gone", "invalid") if count[change]]
    if not changes:
        return "nothing changes on any node" if not any(comparison.problems) else "nothing can be compared"
    return ", ".join(parts)


def text(comparison: Comparison) -> Iterator[str]:
    """Yield the lines for a terminal."""
    yield f"{_called(comparison.before)} → {_called(comparison.after)}: {summary(comparison)}"
    yield from (f"note: {line}" for line in _whole(comparison))
    for nodes, lines in _groups(comparison.changes):
        yield ""
        yield f"{_names(nodes)}: {_heading(nodes)}"
        yield from lines


def markdown(comparison: Comparison) -> str:
    """Return Markdown with the details of each change folded, of a bounded length."""
    head = [f"**{_escaped(summary(comparison))}**", ""]
    head += [f"`{_inline(_called(comparison.before))}` → `{_inline(_called(comparison.after))}`", ""]
    if whole := list(_whole(comparison)):
        head += _block(whole)
    made = "\n".join(head)[: MOST_CHARACTERS // 2]
    groups = list(_groups(comparison.changes))
    for number, (nodes, lines) in enumerate(groups):
        shown = _block([click.unstyle(line) for one in lines for line in one.splitlines()])
        title = f"{_names(nodes)}: {_heading(nodes)}"
        part = "\n".join(["<details>", f"<summary>{html.escape(title)}</summary>", "", *shown, "</details>", ""])
        if len(made) + len(part) > MOST_CHARACTERS:
            left = sum(len(nodes) for nodes, _ in groups[number:])
            return made + f"\n\n… and {_nodes(left)} more; `stellwerk diff` shows all of them.\n"
        made += "\n" + part
    return made + "\n"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as a JSON object; its keys and their meaning change only with the version."""
    before, after = comparison.before, comparison.after
    changes = comparison.changes
    return {
        "stellwerk_diff": VERSION,
        "before": {"revision": before[0], "commit": before[1] or None, "problems": comparison.problems[0] or None},
        "after": {"revision": after[0], "commit": after[1] or None, "problems": comparison.problems[1] or None},
        "summary": {
            **{change: sum(one.change == change for one in changes) for change in _ORDER},
            "interrupted": sum(one.interrupts for one in changes),
        },
        "nodes": [
            {
                "node": one.name,
                "change": one.change,
                "interrupts": one.interrupts,
                "fields": list(one.fields),
                "plan": one.plan,
                "problems": one.problems or None,
            }
            for one in changes
        ],
    }


def _groups(changes: Sequence[NodeChange]) -> Iterator[Group]:
    """Yield the changes with their lines; those that are the same on several nodes once."""
    groups: dict[tuple[str, ...], list[NodeChange]] = {}
    for one in changes:
        groups.setdefault((one.change, *_lines(one)), []).append(one)
    for same, nodes in sorted(groups.items(), key=lambda item: _ORDER.index(item[0][0])):
        yield nodes, same[1:]


def _lines(change: NodeChange) -> list[str]:
    if change.plan is None:
        return [f"  {printable(line)}" for line in change.problems.splitlines()]
    lines = list(plan_text.lines(change.plan))
    if lines or not change.fields:
        return lines or ["  nothing to do on it: only keys that others must know change"]
    return [f"  nothing to do on it: only what `stellwerk run` does by itself changes ({', '.join(change.fields)})"]


def _heading(nodes: Sequence[NodeChange]) -> str:
    first = nodes[0]
    words = (_WORDS if len(nodes) == 1 else _WORDS_FOR_MANY)[first.change]
    if first.plan is None or first.plan["in_sync"]:
        return words
    return words + ", " + plan_text.heading("", first.plan).removeprefix(": ")


def _names(nodes: Sequence[NodeChange]) -> str:
    names = [printable(one.name) for one in nodes]
    if len(names) == 1:
        return names[0]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} nodes ({', '.join(names[:_MOST_NAMED])}{more})"


def _whole(comparison: Comparison) -> Iterator[str]:
    for side, problems in zip((comparison.before, comparison.after), comparison.problems, strict=True):
        if problems:
            yield f"{_called(side)} is no valid fleet:"
            yield from map(printable, problems.splitlines())


def _called(side: tuple[str, str]) -> str:
    revision, commit = side
    return printable(revision) + (f" ({commit[:12]})" if commit and not commit.startswith(revision) else "")


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _block(lines: Sequence[str]) -> list[str]:
    """Return lines as a block in which nothing is markup."""
    longest = max((len(run) for line in lines for run in _runs(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *lines, fence, ""]


def _runs(line: str) -> list[str]:
    return [run for run in "".join(char if char == "`" else " " for char in line).split() if run]


def _inline(words: str) -> str:
    return words.replace("`", "'")


def _escaped(words: str) -> str:
    return html.escape(words, quote=False)
