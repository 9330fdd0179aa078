"""The value of an unquoted YAML scalar by the core schema of YAML 1.2, chapter 10.3.

``yes``, ``no``, ``on``, ``off``, dates and sexagesimal numbers are text there.
"""

from __future__ import annotations

import math
import re

Value = bool | int | float | str | None

_LONGEST_NUMBER = 40
_WORDS: dict[str, Value] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".nan": math.nan,
    ".NaN": math.nan,
    ".NAN": math.nan,
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")


def resolve(text: str) -> Value:
    """Return what an unquoted scalar means: nothing, a truth value, a number, or else its own text.

    A whole number of more than 40 digits is infinite, so that nothing later works with it.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            sign = -1 if text[0] == "-" else 1
            return int(text, base if base == 10 else 0) if len(text) <= _LONGEST_NUMBER else sign * math.inf
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return -math.inf if text[0] == "-" else math.inf
    return text
