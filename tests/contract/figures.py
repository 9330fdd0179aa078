"""What holds for all figures of a node, those set by hand and those of a real one: every answer is of its type."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.services.statistics.figures import Figures

ANSWERS = ("babel", "links", "addresses", "peers", "firewall", "system", "status", "changes")


def check(figures: Figures) -> None:
    """Fail where an answer, or anything in it, is of another type than `Figures` says."""
    for name in ANSWERS:
        hint = typing.get_type_hints(getattr(Figures, name))["return"]
        wrong = list(_misfits(getattr(figures, name)(), hint, name))
        assert not wrong, wrong[:5]
    assert len(bytes.fromhex(figures.node_id)) == 6
    assert figures.node_id == figures.node_id.lower()
    assert figures.settings.node


def _misfits(value: Any, hint: Any, where: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return
    if origin in (typing.Union, types.UnionType):
        ways = [list(_misfits(value, one, where)) for one in arguments]
        yield from [] if [] in ways else min(ways, key=len)
    elif not _is_a(value, origin or hint):
        yield f"{where} is {value!r}, and no {hint}"
    else:
        for part, of, name in _parts(value, hint, origin, arguments):
            yield from _misfits(part, of, f"{where}{name}")


def _is_a(value: Any, kind: Any) -> bool:
    """Return whether it is of a type: a number of just that one, for readers tell whole numbers from others."""
    if kind in (int, float, bool, str):
        return type(value) is kind
    return isinstance(value, type(None) if kind is None else kind)


def _parts(value: Any, hint: Any, origin: Any, arguments: Sequence[Any]) -> Iterator[tuple[Any, Any, str]]:
    """Yield what is in a value, each with its type and its place."""
    if hasattr(hint, "_fields"):
        for name, of in typing.get_type_hints(hint).items():
            yield getattr(value, name), of, f".{name}"
    elif origin is tuple and arguments[-1:] != (...,):
        for number, (part, of) in enumerate(zip(value, arguments, strict=True)):
            yield part, of, f"[{number}]"
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield name, arguments[0], f" key {name!r}"
            yield part, arguments[1], f"[{name!r}]"
    elif origin is not None:
        for number, part in enumerate(value):
            yield part, arguments[0], f"[{number}]"
