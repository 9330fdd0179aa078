"""The status for people."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from intent.display import printable
from intent.durations import spelled
from reconciler.cli import exit_codes

Json = Mapping[str, Any]

COLOURS = {"synced": "green", "drifted": "yellow", "unknown": "yellow", "healthy": "green", "degraded": "red"}
MOST_RECENT = 5
MOST_OFFENDERS = 10
_SHORT = 12


def heading(status: Json) -> str:
    """Return the line that says the most."""
    axes = " and ".join(
        click.style(status[axis]["state"], fg=COLOURS[status[axis]["state"]], bold=True) for axis in ("sync", "health")
    )
    reason = (
        f" ({status['sync']['reason']})" if status["sync"]["state"] != "synced" and status["sync"]["reason"] else ""
    )
    return f"{status['node'] or 'this node'}: {axes}{reason}"


def lines(status: Json) -> Iterator[str]:
    """Yield the lines of a status."""
    yield heading(status)
    yield from _mode(status["mode"])
    if status["sync"]["since"]:
        name = {"synced": "synced", "drifted": "drift"}.get(status["sync"]["state"], "unknown")
        yield _field(name, f"since {_time(status['sync']['since'])}")
    yield from _intent(status["intent"])
    if status["owned"]:
        yield _field("owned", f"{status['owned']} object{'s' if status['owned'] > 1 else ''}")
    yield from _trial(status["trial"])
    for one in status["offers"]:
        yield _offer(one, suspended=status["mode"]["mode"] == "suspended")
    if status["services"]:
        shown = (
            one["name"] + ("" if one["state"] == "running" else f" ({one['state']})") for one in status["services"]
        )
        yield _field("services", ", ".join(shown))
    yield from reasons(status)
    for one in status["objects"]:
        yield _object(one)
    for check in status["checks"]:
        sign = click.style("✓", fg="green") if check["passed"] else click.style("✗", fg="red", bold=True)
        yield f"  {sign} {printable(check['check'])}  # {_words(check['reason'])}"
    yield from _offenders(status["offenders"])
    for note in status["notes"]:
        yield _field("note", note)
    if status["recent"]:
        yield "  recently:"
    for fact in status["recent"][-MOST_RECENT:]:
        yield f"    {_time(fact['time'])}  {fact['event']}: {printable(_fact(fact))}"


def reasons(status: Json) -> Iterator[str]:
    """Yield why a node is degraded, nothing for a healthy one."""
    for reason in status["health"]["reasons"]:
        yield _field("degraded", reason)


def _object(one: Json) -> str:
    again = one.get("retry_in")
    when = "" if again is None else f"; tried again in {again:.0f} s"
    sign = (
        click.style("?", fg="cyan", bold=True) if one["state"] == "pending" else click.style("!", fg="red", bold=True)
    )
    return f"  {sign} {printable(one['description'])}  # {one['state']}: {_words(one['reason'])}{when}"


def _offer(one: Json, *, suspended: bool) -> str:
    since = f" since {_time(one['since'])}" if one["since"] else ""
    if suspended and one["state"] == "to be withdrawn":
        since = " once the suspension ends"
    until = f", until {_time(one['until'])}" if one.get("until") else ""
    why = f": {_words(one['reason'])}" if one.get("reason") else ""
    prefix = "" if one.get("prefix") in (None, one["name"]) else f" ({one['prefix']})"
    return f"  {one['kind']} {printable(one['name'])}{prefix}: {one['state']}{since}{until}{why}"


def _offenders(offenders: Sequence[Json]) -> Iterator[str]:
    """Yield what others announce that touches us; of many the first few, and how many there are."""
    for one in offenders[:MOST_OFFENDERS]:
        yield _field("offender", f"{one['description']}, since {_time(one['since'])}; {one['state']}")
    if len(offenders) > MOST_OFFENDERS:
        yield _field("offender", f"{len(offenders) - MOST_OFFENDERS} more are in `stellwerk status --json`")


def exit_code(status: Json) -> int:
    """Return the exit code for a status."""
    fine = status["sync"]["state"] == "synced" and status["health"]["state"] == "healthy"
    return exit_codes.DONE if fine else exit_codes.DIFFERENT


def _mode(mode: Json) -> Iterator[str]:
    if mode["mode"] == "report":
        yield _field("mode", "report: nothing is changed")
    elif mode["mode"] == "suspended":
        until = "until it is resumed" if mode["until"] is None else f"until {_time(mode['until'])}"
        yield _field("suspended", f"since {_time(mode['since'])}, {until}: {mode['reason']}")


def _intent(intent: Json) -> Iterator[str]:
    source = "given by hand" if intent["by_hand"] else intent["file"]
    yield _field("intent", _digest(intent["held"]) + (f", {source}" if source else ""))
    if intent["by_hand"] and intent["in_file"] not in (None, intent["held"]):
        other = f"{intent['file']} says something else ({_digest(intent['in_file'])}) and is not followed"
        yield _field("node file", f"{other}; `stellwerk apply {intent['file']}` goes back to it")
    if intent["tried"] is not None and intent["tried"] != intent["held"]:
        yield _field("tried", _digest(intent["tried"]))
    if intent["good"] is not None:
        yield _field("last good", f"{_digest(intent['good'])} since {_time(intent['good_since'])}")
    for one in intent["quarantine"]:
        yield _field("quarantine", f"{_digest(one['digest'])} since {_time(one['since'])}: {one['reason']}")


def _trial(trial: Json | None) -> Iterator[str]:
    if trial is not None:
        how = "its checks" if trial["confirmed_by"] == "checks" else "`stellwerk confirm`"
        left = spelled(round(trial["seconds_left"]))
        yield _field("on trial", f"{_digest(trial['digest'])}, undone in {left} unless confirmed by {how}")


def _fact(fact: Json) -> str:
    return " → ".join(str(fact[part]).partition("\n")[0] for part in ("because", "outcome") if fact.get(part))


def _field(name: str, words: str) -> str:
    return f"  {name}: " + "\n      ".join(map(printable, words.split("\n")))


def _words(text: str) -> str:
    """Return a text of any number of lines as one."""
    return printable(" | ".join(text.split("\n")))


def _digest(digest: str | None) -> str:
    return "none" if digest is None else digest[:_SHORT]


def _time(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
