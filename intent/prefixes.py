"""Prefixes as text in its one spelling, without an object for each: a node may have 100,000."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from intent import ip_text
from intent.field_types import Text, described, wrong
from intent.fields import PREFIX6_WORDS, parse_ipv6_prefix, parse_prefix

_NOT_COMMON = re.compile(rf"^(?!(?:{ip_text.COMMON_PREFIX6})$).*$", re.ASCII | re.MULTILINE)
_PREFIX_WORDS = {"pattern": r"^[0-9A-Fa-f:.]+(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?$"}


def normalised(text: str) -> str:
    """Return an IPv6 prefix in its one spelling, the very same text where it has that. Refuses with `wrong`."""
    prefix = ip_text.prefix6(text)
    if prefix is None:
        prefix = str(parse_ipv6_prefix(text))
    return text if prefix == text else prefix


def any_normalised(text: str) -> str:
    """Return an IPv4 or IPv6 prefix in its one spelling; an address alone is the prefix of only that address.

    Refuses with `wrong`.
    """
    return (ip_text.prefix6(text) if ":" in text else ip_text.prefix4(text)) or str(parse_prefix(text))


def _all_normalised(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Do as `normalised` does for each, those that are right already all at once."""
    lines = "\n".join(prefixes)
    if lines.count("\n") >= len(prefixes):
        return tuple(map(normalised, prefixes))
    others = {prefix: normalised(prefix) for prefix in _NOT_COMMON.findall(lines)}
    return tuple(others.get(prefix, prefix) for prefix in prefixes) if others else prefixes


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

Prefix = Annotated[str, Text(any_normalised, _PREFIX_WORDS)]
"""An IPv4 or IPv6 prefix, or an address for the prefix of only that, as text in its one spelling."""
