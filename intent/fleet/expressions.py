"""What stands in ``${…}``: a variable, or a function of variables, numbers, quoted texts and such functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from intent.display import quoted
from intent.fleet.functions import FUNCTIONS, Refused, Value, call
from intent.validation import meant

OPENS = "${"
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?[0-9]+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<sign>[(),}]))"""
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NUMBER = 40
_DEEPEST = 10


class Wrong(Exception):
    """An expression that cannot be used: what is wrong, ``at`` which character of the text, and what would be right."""

    def __init__(self, at: int, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.suggestion = suggestion


class Literal(NamedTuple):
    """A number or a quoted text. ``at`` is the first character in the whole text, here and below."""

    at: int
    value: Value


class Variable(NamedTuple):
    """The name of a variable."""

    at: int
    name: str


class Call(NamedTuple):
    """A function and what it is called with."""

    at: int
    name: str
    arguments: tuple[Expression, ...]


Expression = Literal | Variable | Call
Lookup = Callable[[Variable], Value]


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> tuple[str | Expression, ...]:
    """Return the parts of a text: what stays as it is, and expressions. Raises Wrong."""
    parts: list[str | Expression] = []
    position = 0
    while (found := text.find(OPENS, position)) >= 0:
        if found > position and text[found - 1] == "$":
            # `$${` is a `${` that is meant so.
            parts.append(text[position : found - 1] + OPENS)
            position = found + len(OPENS)
            continue
        if found > position:
            parts.append(text[position:found])
        expression, position = _Reader(text, found + len(OPENS)).whole()
        parts.append(expression)
    if position < len(text):
        parts.append(text[position:])
    return tuple(parts)


class _Reader:
    """Reads one expression out of a text, from ``position`` on."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self._start = position - len(OPENS)
        self._position = position

    def whole(self) -> tuple[Expression, int]:
        """Return the expression, and where what follows its ``}`` begins."""
        expression = self._expression(0)
        at, sign = self._sign()
        if sign != "}":
            raise Wrong(at, f"a `}}` is missing here, which ends the `{OPENS}`", _ADVICE)
        return expression, self._position

    def _next(self) -> tuple[int, re.Match[str]]:
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            if not self._text[self._position :].strip():
                raise Wrong(
                    self._start, f"this `{OPENS}` is never closed by a `}}`", f"`${OPENS}` stands for `{OPENS}`"
                )
            rest = self._text[self._position :]
            at = self._position + len(rest) - len(rest.lstrip())
            raise Wrong(at, f"{quoted(self._text[at])} cannot stand in `{OPENS}…}}`", _ADVICE)
        self._position = match.end()
        return match.start(match.lastgroup or 0) - (match.lastgroup in ("double", "single")), match

    def _sign(self) -> tuple[int, str | None]:
        at, match = self._next()
        return at, match["sign"]

    def _expression(self, depth: int) -> Expression:
        at, match = self._next()
        if depth > _DEEPEST:
            raise Wrong(at, f"functions are more than {_DEEPEST} deep in one another here")
        if match["number"] is not None:
            if len(match["number"]) > _LONGEST_NUMBER:
                raise Wrong(at, f"a number has at most {_LONGEST_NUMBER} digits")
            return Literal(at, int(match["number"]))
        if match["word"] is None:
            text = match["double"] if match["double"] is not None else match["single"]
            if text is None:
                raise Wrong(at, f"a variable or a function is missing before this `{match['sign']}`", _ADVICE)
            return Literal(at, text)
        name = match["word"]
        before = self._position
        try:
            opens = self._sign()[1] == "("
        except Wrong:
            opens = False
        if not opens:
            self._position = before
            return Variable(at, name)
        return Call(at, name, self._arguments(at, name, depth))

    def _arguments(self, at: int, name: str, depth: int) -> tuple[Expression, ...]:
        function = FUNCTIONS.get(name)
        if function is None:
            near = meant(name, tuple(FUNCTIONS))
            known = "known are " + ", ".join(f"`{one}`" for one in FUNCTIONS)
            raise Wrong(at, f"{quoted(name)} is no function", f"did you mean `{near}`?" if near else known)
        arguments = []
        while True:
            arguments.append(self._expression(depth + 1))
            place, sign = self._sign()
            if sign == ")":
                break
            if sign != ",":
                raise Wrong(place, "a `,` or `)` is missing here", f"such as `{OPENS}{function.example}}}`")
        if len(arguments) != len(function.arguments):
            right = " and ".join((", ".join(function.arguments[:-1]), function.arguments[-1])).removeprefix(" and ")
            raise Wrong(at, f"`{name}` takes {right}, not {len(arguments)} arguments", f"such as `{function.example}`")
        return tuple(arguments)


_ADVICE = f"such as `{OPENS}mesh_prefix}}` or `{OPENS}address(mesh_prefix, 7)}}`; `${OPENS}` stands for `{OPENS}`"


def evaluate(expression: Expression, lookup: Lookup) -> Value:
    """Return the value of an expression. Raises Wrong."""
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Variable):
        return lookup(expression)
    arguments = tuple(evaluate(argument, lookup) for argument in expression.arguments)
    try:
        return call(expression.name, arguments)
    except Refused as exc:
        number = exc.argument
        message = f"argument {number + 1} of `{expression.name}` {exc.message}"
        advice = f"such as `{FUNCTIONS[expression.name].example}`"
        raise Wrong(expression.arguments[number].at, message, advice) from None


def value_of(text: str, lookup: Lookup) -> Value:
    """Return what a text is with the values of its expressions; one expression alone keeps its type. Raises Wrong."""
    parts = parse(text)
    if len(parts) == 1 and not isinstance(parts[0], str):
        return evaluate(parts[0], lookup)
    return "".join(part if isinstance(part, str) else _spelled(evaluate(part, lookup)) for part in parts)


def _spelled(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_variable_name(name: str) -> bool:
    """Return whether a variable may be called so: lower-case letters, digits and ``_``, a letter first."""
    return _NAME.fullmatch(name) is not None


_WORD = re.compile(rb"[a-z][a-z0-9_]*")
_EXPRESSION = re.compile(rb"\$\{([^}]*)")


def names_in(data: bytes) -> set[str]:
    """Return the words inside all ``${…}`` of a file's text, among them all variables that it uses."""
    return {word.decode() for found in _EXPRESSION.findall(data) for word in _WORD.findall(found)}
