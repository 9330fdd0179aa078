"""How a field's value is checked, with messages in plain words, and how the JSON Schema describes it.

Each class here is metadata of an ``Annotated`` type: it takes the value as the file has it, text or number, and gives
the value that the models hold.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from intent.display import quoted

WRONG = "wrong"
"""The type of the validation errors raised here; their context holds the message and the suggestion."""


def wrong(message: str, suggestion: str | None = None) -> NoReturn:
    """Refuse a value. The message goes on after the field's name, such as ``must be …``."""
    raise PydanticCustomError(WRONG, "{message}", {"message": message, "suggestion": suggestion})


def described(value: object) -> str:
    """Return a value of the file in words for a message."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and math.isnan(value):
        return "`.nan`, which is not a number"
    if isinstance(value, int | float):
        return f"the number {value}" if math.isfinite(value) else "a number without end"
    if isinstance(value, str):
        return quoted(value) if value else "empty"
    return "a list" if isinstance(value, tuple) else "a mapping"


class Checked:
    """Base of the metadata: a check in Python and a JSON Schema."""

    def check(self, value: object) -> object:
        """Return the value that the models hold, or refuse it with `wrong`."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what the file may hold."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.json_schema()


@dataclass(frozen=True, eq=False)
class Text(Checked):
    """Text that ``parse`` turns into a value; it refuses with `wrong`. ``words`` go into the JSON Schema."""

    parse: Callable[[str], object]
    words: Mapping[str, Any] = field(default_factory=dict)

    def check(self, value: object) -> object:
        """Return the parsed text."""
        if isinstance(value, str):
            return self.parse(value)
        if isinstance(value, bool | int | float):
            wrong(f"must be text, not {described(value)}", "put it in quotes")
        wrong(f"must be text, not {described(value)}")

    def json_schema(self) -> dict[str, Any]:
        """Return a string type with the words."""
        return {"type": "string", **self.words}


@dataclass(frozen=True, eq=False)
class Between(Checked):
    """A whole number from ``low`` to ``high``, or one of the words."""

    low: int
    high: int
    words: tuple[str, ...] = ()
    unit: str = ""

    def check(self, value: object) -> object:
        """Return the number or the word."""
        if value in self.words and isinstance(value, str):
            return value
        right = f"must be a whole number from {self.low} to {self.high}{self.unit and ' ' + self.unit}"
        right += "".join(f" or `{word}`" for word in self.words)
        if isinstance(value, bool) or not isinstance(value, int):
            numeric = isinstance(value, str) and value.strip().isascii() and value.strip().isdigit()
            wrong(f"{right}, not {described(value)}", "leave out the quotes" if numeric else None)
        if not self.low <= value <= self.high:
            wrong(f"{right}, not {value}")
        return value

    def json_schema(self) -> dict[str, Any]:
        """Return an integer type with its range, beside the words if there are any."""
        number = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [number, {"enum": list(self.words)}]} if self.words else number


@dataclass(frozen=True, eq=False)
class Decimal(Checked):
    """A number from ``low`` to ``high`` in steps of ``step``, all in the same unit."""

    low: float
    high: float
    step: float
    unit: str

    def check(self, value: object) -> object:
        """Return the number, exactly on a step."""
        right = f"must be from {self.low:g} to {self.high:g} {self.unit}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            wrong(f"{right}, not {described(value)}")
        if not (math.isfinite(value) and self.low <= value <= self.high):
            wrong(f"{right}, not {described(value).removeprefix('the number ')}")
        steps = round(value / self.step)
        if not math.isclose(steps * self.step, value, rel_tol=1e-9):
            wrong(f"must be a multiple of {self.step:g} {self.unit}, not {value}", f"write {steps * self.step:g}")
        return round(steps * self.step, 6)

    def json_schema(self) -> dict[str, Any]:
        """Return a number type with its range."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, eq=False)
class Choice(Checked):
    """One of a few texts or truth values."""

    choices: tuple[str | bool, ...]

    def check(self, value: object) -> object:
        """Return the value where it is one of the choices."""
        for choice in self.choices:
            if type(value) is type(choice) and value == choice:
                return choice
        names = [str(choice).lower() if isinstance(choice, bool) else choice for choice in self.choices]
        near = difflib.get_close_matches(str(value)[:40], names, 1)
        truth = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(str(value).lower())
        if truth in names:
            near = [truth]
        *first, last = (f"`{name}`" for name in names)
        right = f"{', '.join(first)} or {last}" if first else last
        suggestion = f"did you mean `{near[0]}`?" if near and not isinstance(value, dict | tuple) else None
        if isinstance(value, str) and value in ("true", "false") and value in names:
            suggestion = "leave out the quotes"
        wrong(f"must be {right}, not {described(value)}", suggestion)

    def json_schema(self) -> dict[str, Any]:
        """Return the choices."""
        if set(self.choices) == {True, False}:
            return {"type": "boolean"}
        return {"enum": list(self.choices)}
