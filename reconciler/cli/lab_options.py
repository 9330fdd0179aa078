"""Options and names of ``stellwerk lab``: which lab, whom to ask, and what the shell may complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])
VARIABLE = "STELLWERK_LAB"
_SHORT_TIME = re.compile(r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,3})?)(?P<unit>ms|s)")


class ShortTime(click.ParamType[float]):
    """A time such as ``50ms`` or ``1s``, as a number of seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        match = _SHORT_TIME.fullmatch(str(value))
        found = float(match["number"]) / (1000 if match["unit"] == "ms" else 1) if match else 0.0
        if not found >= 0.001:
            self.fail(f"{value!r} is no time; write it like 50ms or 1s", param, ctx)
        return found


class Address(click.ParamType[str]):
    """An IPv6 address."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address as it is usually written."""
        try:
            return str(IPv6Address(str(value)))
        except ValueError:
            self.fail(f"{value!r} is none: it needs an IPv6 address, such as 2001:db8:ffff::1", param, ctx)


def _matching(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_labs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the labs that there are."""
    from reconciler.core.errors import StellwerkError
    from reconciler.lab.folders import labs

    try:
        return _matching(labs(), incomplete)
    except (StellwerkError, OSError):
        return []


def completing(*parts: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what completes the names of parts of the lab that is meant: ``nodes``, ``clients``, ``wires``, ``ends``.

    ``internet`` is the place of that name.
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from reconciler.core.errors import StellwerkError
        from reconciler.lab.folders import find
        from reconciler.lab.laboratory import Lab

        try:
            status = Lab(find(context.params.get("name"))).status()
        except (StellwerkError, OSError):
            return []
        known = names_of(status)
        return _matching((name for part in parts for name in known[part]), incomplete)

    return complete


def names_of(status: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names of the parts of a lab, by its status."""
    nodes = list(status["nodes"])
    ends = [end for wire in status["wires"] for end in wire["ends"] if end.partition(":")[0] in nodes]
    return {
        "nodes": nodes,
        "clients": list(status["clients"]),
        "wires": [wire["name"] for wire in status["wires"] if wire["is_wire"]],
        "ends": ends,
        "internet": [] if status["internet"] is None else ["internet"],
    }


def lab_option(command: Command) -> Command:
    """Add the option that names the lab."""
    option = click.option(
        "--lab",
        "name",
        metavar="NAME",
        envvar=VARIABLE,
        show_envvar=True,
        is_eager=True,
        shell_complete=complete_labs,
        help="Which lab, where several run.",
    )
    return option(command)


def lab_argument(command: Command) -> Command:
    """Add the argument that names the lab."""
    argument = click.argument("name", required=False, metavar="[NAME]", envvar=VARIABLE, shell_complete=complete_labs)
    return argument(command)
