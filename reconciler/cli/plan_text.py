"""A plan and its outcomes, in their JSON forms, for people: lines in the words of ip(8), each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from reconciler.cli import exit_codes

SIGNS = {"create": "+", "update": "~", "delete": "-"}
COLOURS = {"+": "green", "~": "yellow", "-": "red", "±": "yellow", "?": "cyan", "!": "red"}
LONGEST_LINE = 150
REPLACEMENT = "replacement"

Json = Mapping[str, Any]


def heading(node: str, plan: Json) -> str:
    """Return one line that counts what the plan would do."""
    if plan["in_sync"]:
        return f"{node}: in sync, nothing to do"
    counts = {
        "to create": _count(plan, "create", "addition"),
        "to change": _count(plan, "update", "in place") + _count(plan, "update", "disruptive"),
        "to replace": _count(plan, "create", REPLACEMENT),
        "to delete": _count(plan, "delete", "removal"),
        "to retract": _count(plan, "delete", "retraction"),
        "pending": len(plan["pending"]),
        "in conflict": len(plan["conflicts"]),
        "not seen": len(plan["unseen"]),
    }
    return f"{node}: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def lines(plan: Json) -> Iterator[str]:
    """Yield the plan's lines, styled; click removes the colour where it is not wanted."""
    for operation in plan["operations"]:
        if not (operation["action"] == "delete" and operation["impact"] == REPLACEMENT):
            yield _line(_sign(operation), operation["description"], _why(operation))
    for held in plan["pending"]:
        yield _line("?", held["description"], held["reason"])
    yield from obstacles(plan)


def obstacles(plan: Json) -> Iterator[str]:
    """Yield the lines for what stands in the way of a plan."""
    for conflict in plan["conflicts"]:
        yield _line("!", _name(conflict["key"]), conflict["reason"])
    for lack in plan["lacks"]:
        yield _line("!", "not possible on this node", lack)
    for table, error in plan["unseen"].items():
        yield _line("!", f"table {table} could not be seen", error)


def in_the_way(plan: Json) -> bool:
    """Return whether something keeps the plan from being carried out as a whole."""
    return bool(plan["conflicts"] or plan["lacks"])


def outcome_line(outcome: Json) -> str:
    """Return the line for what became of an operation."""
    words = outcome["description"]
    if outcome["result"] == "done":
        undrained = outcome.get("undrained")
        warning = "" if undrained is None else f", but others may still use it: {undrained}"
        return _line(_sign(outcome), words, f"done{warning}")
    if outcome["result"] == "skipped":
        return _line("!", words, f"skipped, since {outcome.get('because')} failed")
    return _line("!", words, f"failed: {outcome.get('error')}")


def _count(plan: Json, action: str, impact: str) -> int:
    return sum(operation["action"] == action and operation["impact"] == impact for operation in plan["operations"])


def _sign(operation: Json) -> str:
    return "±" if operation["impact"] == REPLACEMENT else SIGNS[operation["action"]]


def _name(key: Sequence[str | int]) -> str:
    return " ".join(map(str, key))


def _why(operation: Json) -> str:
    why: str = operation["reason"]
    if operation["impact"] == "disruptive":
        why += " (interrupts traffic)"
    if operation["takes"]:
        why += f"; with it go {_enumerate(operation['takes'])}"
    return why


def _enumerate(keys: Sequence[Sequence[str | int]]) -> str:
    return ", ".join(map(_name, keys[:3])) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def _line(sign: str, words: str, why: str) -> str:
    """Return a line, or two where both parts are long, so that neither is lost at the end of a screen."""
    gap = "\n      " if len(words) + len(why) > LONGEST_LINE else "  "
    return f"  {click.style(sign, fg=COLOURS[sign], bold=True)} {words}{gap}{click.style(f'# {why}', dim=True)}"


def exit_code(plan: Json) -> int:
    """Return the exit code that says what a look found."""
    if in_the_way(plan):
        return exit_codes.REFUSED
    if plan["unseen"]:
        return exit_codes.FAILED
    return exit_codes.DONE if plan["in_sync"] else exit_codes.DIFFERENT
