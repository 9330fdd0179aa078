"""IPv6 prefixes as text in its one spelling, without an object for each: a node may have 100,000.

The spelling is that of `ipaddress`: RFC 5952, and no bits behind the length.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from intent.field_types import Text, described, wrong
from intent.fields import PREFIX6_WORDS, parse_ipv6_prefix

# A group that is not zero, or a zero alone between such.
_GROUP = "(?:[1-9a-f][0-9a-f]{0,3}:|0:(?![:0]))"
_LENGTHS = {
    3: r"4[89]|[5-9]\d|1[01]\d|12[0-8]",
    4: r"6[4-9]|[7-9]\d|1[01]\d|12[0-8]",
    2: r"3[2-9]|[4-9]\d|1[01]\d|12[0-8]",
    1: r"1[6-9]|[2-9]\d|1[01]\d|12[0-8]",
    5: r"[89]\d|1[01]\d|12[0-8]",
    6: r"9[6-9]|1[01]\d|12[0-8]",
}
# Groups with nothing to shorten, and then a length behind them all, so that no bits are behind the length.
_COMMON_WORDS = "|".join(f"(?:{_GROUP}){{{groups}}}:/(?:{lengths})" for groups, lengths in _LENGTHS.items())
_COMMON = re.compile(_COMMON_WORDS, re.ASCII)
_NOT_COMMON = re.compile(rf"^(?!(?:{_COMMON_WORDS})$).*$", re.ASCII | re.MULTILINE)
_SHAPE = re.compile(r"([0-9A-Fa-f:]{2,39})/(0|[1-9][0-9]{0,2})")
_ZEROS = tuple(":" + "0:" * groups for groups in range(8, 1, -1))


def normalised(text: str) -> str:
    """Return an IPv6 prefix in its one spelling, the very same text where it has that. Refuses with `wrong`."""
    if _COMMON.fullmatch(text):
        return text
    prefix = _respelt(text)
    if prefix is None:
        prefix = str(parse_ipv6_prefix(text))
    return text if prefix == text else prefix


def _all_normalised(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Do as `normalised` does for each, those that are right already all at once."""
    lines = "\n".join(prefixes)
    if lines.count("\n") >= len(prefixes):
        return tuple(map(normalised, prefixes))
    others = {prefix: normalised(prefix) for prefix in _NOT_COMMON.findall(lines)}
    return tuple(others.get(prefix, prefix) for prefix in prefixes) if others else prefixes


def _respelt(text: str) -> str | None:
    """Return what `ipaddress` would make of a prefix in hexadecimal, ``None`` where that has to be asked."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    groups, length = _groups(match[1]), int(match[2])
    # Newer versions of Python write addresses of IPv4 inside IPv6 with dots.
    if groups is None or length > 128 or groups[:6] == [0, 0, 0, 0, 0, 0xFFFF]:
        return None
    whole, bits = divmod(length, 16)
    if any(groups[whole + 1 :]) or (whole < 8 and groups[whole] & (0xFFFF >> bits)):
        return None
    return f"{_spelt(groups)}/{length}"


def _groups(address: str) -> list[int] | None:
    """Return the eight groups of an address, ``None`` where it is none."""
    head, gap, tail = address.partition("::")
    before = head.split(":") if head else []
    after = tail.split(":") if tail else []
    missing = 8 - len(before) - len(after)
    if missing < 1 if gap else missing:
        return None
    words = (*before, *("0",) * missing, *after)
    if not all(1 <= len(word) <= 4 for word in words):
        return None
    return [int(word, 16) for word in words]


def _spelt(groups: list[int]) -> str:
    """Return the groups with the first of the longest runs of two or more zeros left out (RFC 5952, section 4.2)."""
    text = ":" + "".join(f"{group:x}:" for group in groups)
    for zeros in _ZEROS:
        if zeros in text:
            text = text.replace(zeros, "::", 1)
            break
    start = 0 if text.startswith("::") else 1
    return text[start:] if text.endswith("::") else text[start:-1]


class _Prefixes(Text):
    """One IPv6 prefix, or a list of them; the models hold a tuple either way."""

    def many(self, value: object, one_by_one: ValidatorFunctionWrapHandler) -> tuple[str, ...]:
        """Return the prefixes; what is wrong in a list is found one by one."""
        if isinstance(value, str):
            return (normalised(value),)
        if not isinstance(value, tuple):
            wrong(f"must be an IPv6 prefix or a list of them, not {described(value)}", "such as `2001:db8::/32`")
        if not value:
            wrong("must not be empty", "name a prefix, or leave the field out")
        with suppress(PydanticCustomError):
            if all(isinstance(prefix, str) for prefix in value):
                return _all_normalised(value)
        prefixes: tuple[str, ...] = one_by_one(value)
        return prefixes

    def json_schema(self) -> dict[str, Any]:
        """Return a prefix, or a list of them."""
        one = super().json_schema()
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        one = core_schema.no_info_plain_validator_function(self.check)
        return core_schema.no_info_wrap_validator_function(
            self.many, core_schema.tuple_variable_schema(one, strict=True)
        )


IPv6Prefixes = Annotated[tuple[str, ...], _Prefixes(normalised, PREFIX6_WORDS)]
"""One or more IPv6 prefixes as text in its one spelling."""
