"""The variables of a fleet: declared once with their type, set by groups, roles and nodes, looked up by ``${…}``."""

from __future__ import annotations

from collections.abc import Mapping as Mapped
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from intent.display import looks_like_key, quoted
from intent.field_types import described, wrong
from intent.fields import parse_prefix, parse_public_key
from intent.fleet.expressions import OPENS, Variable, Wrong, value_of
from intent.fleet.functions import Value
from intent.fleet.layers import FleetSource
from intent.source import Report
from intent.tree import Entry, Mapping, Scalar, Sequence, Tree, plain
from intent.validation import meant

NODE = "node"
"""The variable that every node has: its name."""


def _text(value: object) -> Value:
    if not isinstance(value, str):
        wrong(f"must be text, not {described(value)}", "put it in quotes")
    if looks_like_key(value):
        wrong(
            "must not be a key", "a public key is of the type `public_key`; a private key stands in no file of a fleet"
        )
    return value


def _integer(value: object) -> Value:
    if isinstance(value, bool) or not isinstance(value, int):
        wrong(f"must be a whole number, not {described(value)}")
    return value


def _boolean(value: object) -> Value:
    if not isinstance(value, bool):
        wrong(f"must be `true` or `false`, not {described(value)}")
    return value


def _prefix(value: object) -> Value:
    if not isinstance(value, str) or "/" not in value:
        wrong(f"must be a prefix such as `2001:db8::/32`, not {described(value)}")
    return str(parse_prefix(value))


def _address(value: object) -> Value:
    try:
        return str(ip_address(value)) if isinstance(value, str) and "%" not in value else _no_address(value)
    except ValueError:
        return _no_address(value)


def _no_address(value: object) -> Value:
    wrong(f"must be an address such as `2001:db8::1`, not {described(value)}")


def _public_key(value: object) -> Value:
    if not isinstance(value, str):
        wrong("must be a WireGuard public key, 44 characters the last of which is `=`", "see `wg pubkey`")
    return parse_public_key(value)


TYPES = {
    "text": _text,
    "integer": _integer,
    "boolean": _boolean,
    "prefix": _prefix,
    "address": _address,
    "public_key": _public_key,
}


class Declared(NamedTuple):
    """A variable as ``fleet.yaml`` declares it. ``default`` is ``None`` where each node has to have a value."""

    kind: str
    entry: Entry
    default: Tree | None


@dataclass(slots=True)
class Scope:
    """The variables of one node. Values are worked out when they are asked for, each once."""

    node: str
    declared: Mapped[str, Declared]
    set_by: Mapped[str, Tree]
    source: FleetSource
    report: Report
    own_file: str
    used: set[str] = field(default_factory=set)
    _known: dict[str, Value | None] = field(default_factory=dict)
    _asked: list[str] = field(default_factory=list)

    def lookup(self, variable: Variable) -> Value:
        """Return the value of a variable. Raises Wrong where there is none, `Unusable` where it is wrong elsewhere."""
        name = variable.name
        if name == NODE:
            return self.node
        if name not in self._known:
            if name in self._asked:
                circle = " → ".join(f"`{one}`" for one in (*self._asked[self._asked.index(name) :], name))
                raise Wrong(variable.at, f"the variable {quoted(name)} needs itself: {circle}")
            self._asked.append(name)
            try:
                self._known[name] = self._find(variable)
            finally:
                self._asked.pop()
        value = self._known[name]
        if value is None:
            raise Unusable
        return value

    def _find(self, variable: Variable) -> Value | None:
        name = variable.name
        declared = self.declared.get(name)
        if declared is None:
            near = meant(name, (NODE, *self.declared))
            advice = f"did you mean `{near}`?" if near else "`variables` of fleet.yaml declares them"
            raise Wrong(variable.at, f"there is no variable {quoted(name)}", advice)
        self.used.add(name)
        tree = self.set_by.get(name, declared.default)
        if tree is None:
            advice = (
                f"write `variables: {{{name}: …}}` in {self.own_file}, a group or a role, or a `default` in fleet.yaml"
            )
            raise Wrong(variable.at, f"the variable {quoted(name)} has no value on `{self.node}`", advice)
        value = self.written(tree)
        return None if value is None else typed(name, declared.kind, value, tree, self.report)

    def written(self, tree: Tree, secret: bool = False) -> Any:
        """Return the values of a tree without ``${…}``; ``None`` where that is wrong, which is then reported."""
        if isinstance(tree, Scalar):
            if not isinstance(tree.value, str) or OPENS not in tree.value:
                return tree.value
            try:
                value = value_of(tree.value, self.lookup)
            except Wrong as exc:
                line, column = self._place(tree, exc.at)
                self.report.add((line, column), exc.message, exc.suggestion)
                return None
            except Unusable:
                return None
            if not secret:
                self.source.became[tree.line, tree.column] = str(value)
            return value
        if isinstance(tree, Sequence):
            return tuple(self.written(tree.item(index), secret) for index in range(len(tree)))
        return {key: self.written(value, secret) for key, value in tree.usable()}

    def _place(self, tree: Scalar, at: int) -> tuple[int, int]:
        """Return the place of a character of a scalar's text, where that stands in the file as it is."""
        layer = self.source.layer(tree.line)
        line = layer.source.line(tree.line - layer.base)
        column = line.find(str(tree.value), tree.column - 1)
        return (tree.line, tree.column) if column < 0 else (tree.line, column + 1 + at)


class Unusable(Exception):
    """A value that is wrong where it is written, which has been reported."""


def typed(name: str, kind: str, value: object, tree: Tree, report: Report) -> Value | None:
    """Return a value as one of a type; ``None`` where it is not, which is then reported."""
    try:
        return TYPES[kind](value)
    except PydanticCustomError as exc:
        context = exc.context or {}
        report.add((tree.line, tree.column), f"the variable {quoted(name)} {context['message']}", context["suggestion"])
        return None


def settings(tree: Tree | None, declared: Mapped[str, Declared], report: Report | None) -> dict[str, Tree]:
    """Return what ``variables`` of a group, role or node sets.

    What is not declared, or of a wrong type, is reported where there is a report.
    """
    if tree is None:
        return {}
    if report is None:
        return dict(tree.usable()) if isinstance(tree, Mapping) else {}
    if not isinstance(tree, Mapping):
        report.add((tree.line, tree.column), "`variables` must be a mapping", "such as `variables: {number: 7}`")
        return {}
    for name, entry in tree.entries.items():
        if name not in declared:
            near = meant(name, tuple(declared))
            advice = f"did you mean `{near}`?" if near else "declare it under `variables` of fleet.yaml"
            report.add(entry[:2], f"there is no variable {quoted(name)}", advice)
        elif entry.value is not None and not has_expression(entry.value):
            typed(name, declared[name].kind, plain(entry.value), entry.value, report)
    return dict(tree.usable())


def has_expression(tree: Tree) -> bool:
    """Return whether a value is a text with ``${…}``."""
    return isinstance(tree, Scalar) and isinstance(tree.value, str) and OPENS in tree.value
