"""Statements of nftables, from the JSON of nft to one spelling (libnftables-json(5)).

Versions of nft write the same rule in different ways: a list of one thing is the thing itself before 1.1.5, flags
that are joined are a list or a ``|``, sets come in the order of the kernel's hash table. Here each rule gets one line,
in the words of nft(8), by which rules are compared and shown. What is not known here stays JSON, with its keys sorted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network, collapse_addresses, summarize_address_range
from typing import Any

_ALONE = frozenset({"accept", "drop", "return", "continue", "masquerade"})
_BARE_META = frozenset({"iif", "oif", "iifname", "oifname", "mark"})


class _UnknownError(Exception):
    """A spelling that is not known here."""


def compact(value: Any) -> str:
    """Return a value as JSON in its one spelling."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def line(statements: Sequence[Any]) -> str:
    """Return the statements of a rule as one line."""
    return " ".join(map(_statement, statements))


def elements(kind: str, values: Sequence[Any]) -> tuple[str, ...]:
    """Return the elements of a set of that type, sorted: of IPv6 addresses the fewest prefixes that hold them all.

    Whether two prefixes side by side are one interval is up to nft and the kernel.
    """
    if kind == "ipv6_addr":
        try:
            networks = [network for value in values for network in _networks(value)]
        except (_UnknownError, ValueError, TypeError):
            pass
        else:
            return tuple(map(str, collapse_addresses(networks)))
    return tuple(sorted(_text(value) if isinstance(value, str) else compact(value) for value in values))


def _networks(value: Any) -> Sequence[IPv6Network]:
    if isinstance(value, str):
        return [IPv6Network(value)]
    kind, told = _only(value)
    if kind == "prefix":
        return [IPv6Network((told["addr"], told["len"]))]
    if kind == "range":
        first, last = told
        return list(summarize_address_range(IPv6Address(first), IPv6Address(last)))
    raise _UnknownError


def _only(value: Any) -> tuple[str, Any]:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise _UnknownError
    ((kind, told),) = value.items()
    return kind, told


def _fields(value: Any, *names: str) -> Sequence[Any]:
    """Return the values of exactly these fields."""
    if not isinstance(value, Mapping) or value.keys() != set(names):
        raise _UnknownError
    return [value[name] for name in names]


def _statement(statement: Any) -> str:
    try:
        kind, told = _only(statement)
        if kind in _ALONE and not told:
            return kind
        return _STATEMENTS[kind](told)
    except (_UnknownError, KeyError):
        return compact(statement)


def _match(told: Any) -> str:
    op, left, right = _fields(told, "op", "left", "right")
    masked = isinstance(left, Mapping) and "&" in left
    between = " " if op == "==" and not masked else f" {op} "
    return f"{_expression(left)}{between}{_expression(right)}"


def _counter(told: Any) -> str:
    if isinstance(told, str):
        return f"counter name {told}"
    if told is None or (isinstance(told, Mapping) and told.keys() <= {"packets", "bytes"}):
        return "counter"
    raise _UnknownError


def _reject(told: Any) -> str:
    if not told:
        return "reject"
    kind, reason = _fields(told, "type", "expr")
    return f"reject with {kind} {_expression(reason)}"


def _mangle(told: Any) -> str:
    key, value = _fields(told, "key", "value")
    return f"{_expression(key)} set {_expression(value)}"


def _translation(kind: str) -> Callable[[Any], str]:
    def words(told: Any) -> str:
        family, address, flags, type_flags = _fields(told, "family", "addr", "flags", "type_flags")
        # A prefix for a prefix is all that there is the flag for.
        if (_alone(flags), _alone(type_flags)) != ("netmap", "prefix"):
            raise _UnknownError
        return f"{kind} {family} prefix to {_expression(address)}"

    return words


_STATEMENTS: dict[str, Callable[[Any], str]] = {
    "match": _match,
    "counter": _counter,
    "reject": _reject,
    "mangle": _mangle,
    "snat": _translation("snat"),
    "dnat": _translation("dnat"),
}


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _expression(value: Any) -> str:
    value = _alone(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return " | ".join(sorted(map(_expression, value)))
    kind, told = _only(value)
    return _EXPRESSIONS[kind](told)


def _text(value: str) -> str:
    try:
        return str(IPv6Address(value))
    except ValueError:
        return value


def _meta(told: Any) -> str:
    (key,) = _fields(told, "key")
    return str(key) if key in _BARE_META else f"meta {key}"


def _payload(told: Any) -> str:
    return " ".join(map(str, _fields(told, "protocol", "field")))


def _prefix(told: Any) -> str:
    address, length = _fields(told, "addr", "len")
    return f"{_expression(address)}/{length}"


def _and(told: Any) -> str:
    left, *others = told
    # Before 1.1 the joined flags are a list, or the same with a mark.
    return f"{_expression(left)} & ({_expression(others)})"


def _or(told: Any) -> str:
    return _expression(list(told))


def _option(told: Any) -> str:
    return " ".join(("tcp option", *map(str, _fields(told, "name", "field"))))


def _route(told: Any) -> str:
    (key,) = _fields(told, "key")
    return f"rt {key}"


_EXPRESSIONS: dict[str, Callable[[Any], str]] = {
    "meta": _meta,
    "payload": _payload,
    "prefix": _prefix,
    "&": _and,
    "|": _or,
    "tcp option": _option,
    "rt": _route,
}
