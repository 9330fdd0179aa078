"""A plan and its outcomes for people: lines in the words of ip(8), each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from intent.resources.resource import Key
from reconciler.cli import exit_codes
from reconciler.core.apply import Outcome, Result
from reconciler.core.plan import Action, Impact, Operation, Plan
from reconciler.core.reconcile import Look

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
COLOURS = {"+": "green", "~": "yellow", "-": "red", "±": "yellow", "?": "cyan", "!": "red"}
LONGEST_LINE = 150


def heading(node: str, plan: Plan) -> str:
    """Return one line that counts what the plan would do."""
    if plan.empty:
        return f"{node}: in sync, nothing to do"
    counts = {
        "to create": _count(plan, Action.CREATE, Impact.ADDITION),
        "to change": _count(plan, Action.UPDATE, Impact.IN_PLACE) + _count(plan, Action.UPDATE, Impact.DISRUPTIVE),
        "to replace": _count(plan, Action.CREATE, Impact.REPLACEMENT),
        "to delete": _count(plan, Action.DELETE, Impact.REMOVAL),
        "pending": len(plan.pending),
        "in conflict": len(plan.conflicts),
        "not seen": len(plan.unseen),
    }
    return f"{node}: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def lines(seen: Look) -> Iterator[str]:
    """Yield the plan's lines, styled; click removes the colour where it is not wanted."""
    plan = seen.plan
    for operation in plan.operations:
        if not (operation.action is Action.DELETE and operation.impact is Impact.REPLACEMENT):
            yield _line(_sign(operation), _words(operation), _why(operation))
    for held in plan.pending:
        yield _line("?", held.resource.describe(), held.reason)
    yield from obstacles(seen)


def obstacles(seen: Look) -> Iterator[str]:
    """Yield the lines for what stands in the way of a plan."""
    plan = seen.plan
    for conflict in plan.conflicts:
        yield _line("!", str(conflict.key), conflict.reason)
    for error in seen.lacks:
        yield _line("!", "not possible on this node", str(error))
    for table, unseen in plan.unseen.items():
        yield _line("!", f"table {table} could not be seen", str(unseen))


def outcome_line(outcome: Outcome) -> str:
    """Return the line for what became of an operation."""
    operation = outcome.operation
    words = _words(operation)
    if outcome.result is Result.DONE:
        warning = "" if outcome.undrained is None else f", but others may still use it: {outcome.undrained}"
        return _line(_sign(operation), words, f"done{warning}")
    if outcome.result is Result.SKIPPED:
        return _line("!", words, f"skipped, since {outcome.because} failed")
    return _line("!", words, f"failed: {outcome.error}")


def _count(plan: Plan, action: Action, impact: Impact) -> int:
    return sum(operation.action is action and operation.impact is impact for operation in plan.operations)


def _sign(operation: Operation) -> str:
    return "±" if operation.impact is Impact.REPLACEMENT else SIGNS[operation.action]


def _words(operation: Operation) -> str:
    return operation.resource.describe()


def _why(operation: Operation) -> str:
    why = operation.reason
    if operation.impact is Impact.DISRUPTIVE:
        why += " (interrupts traffic)"
    if operation.takes:
        why += f"; with it go {_enumerate(operation.takes)}"
    return why


def _enumerate(keys: Iterable[Key]) -> str:
    shown = [str(key) for key in keys]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def _line(sign: str, words: str, why: str) -> str:
    """Return a line, or two where both parts are long, so that neither is lost at the end of a screen."""
    gap = "\n      " if len(words) + len(why) > LONGEST_LINE else "  "
    return f"  {click.style(sign, fg=COLOURS[sign], bold=True)} {words}{gap}{click.style(f'# {why}', dim=True)}"


def exit_code(seen: Look) -> int:
    """Return the exit code that says what a look found."""
    if seen.plan.conflicts or seen.lacks:
        return exit_codes.REFUSED
    if seen.plan.unseen:
        return exit_codes.FAILED
    return exit_codes.DONE if seen.plan.empty else exit_codes.DIFFERENT
