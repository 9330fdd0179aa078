"""Values as JSON and back, strictly, by what their types say: what objects and references are told in a snapshot.

Secrets are told by what tells one from another, and by no more: a private key by its public half, any other by its
fingerprint. What comes back equals the secret itself.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from intent.secrets import PrivateKey, PublicHalf, Secret

_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHOWN = 40


class MisfitError(ValueError):
    """A value that is not of the form that belongs there; ``path`` is the way to it."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path: tuple[str | int, ...] = path

    def under(self, *path: str | int) -> MisfitError:
        """Return the same of a value that is further in."""
        return MisfitError(self.message, *path, *self.path)


class Form(NamedTuple):
    """How values of a type are told: whether one is of it, as JSON, and back. ``read`` raises MisfitError."""

    fits: Callable[[Any], bool]
    tell: Callable[[Any], Any]
    read: Callable[[Any], Any]


@cache
def form(hint: Any) -> Form:
    """Return the form of a type. Raises TypeError for one that has none."""
    if get_origin(hint) is not None:
        return _composed(hint)
    if not isinstance(hint, type):
        raise TypeError(f"values of {hint} cannot be told")
    if hint in _PLAIN:
        return _plain(hint)
    if hint in _ADDRESSES:
        return _address(hint)
    if hint is bytes:
        return _bytes()
    if is_dataclass(hint):
        return _object(hint)
    for base, made in _FAMILIES:
        if issubclass(hint, base):
            return made(hint)
    raise TypeError(f"values of {hint.__name__} cannot be told")


def _composed(hint: Any) -> Form:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _either([form(option) for option in arguments])
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is frozenset:
        return _set(form(arguments[0]))
    raise TypeError(f"values of {hint} cannot be told")


_PLAIN = (str, int, bool, float, type(None))
_ADDRESSES = (IPv6Network, IPv4Network, IPv6Address, IPv4Address)


def _same(value: Any) -> Any:
    return value


def _plain(kind: type) -> Form:
    name = "null" if kind is type(None) else kind.__name__
    accepted = (int, float) if kind is float else (kind,)

    def read(value: Any) -> Any:
        if type(value) not in accepted:
            raise MisfitError(f"must be {name}, not {_shown(value)}")
        return value

    return Form(lambda value: type(value) in accepted, _same, read)


def _either(options: list[Form]) -> Form:
    def tell(value: Any) -> Any:
        return next(option for option in options if option.fits(value)).tell(value)

    def read(value: Any) -> Any:
        misfit: MisfitError | None = None
        for option in options:
            try:
                return option.read(value)
            except MisfitError as exc:
                # What got furthest says most.
                misfit = exc if misfit is None or len(exc.path) > len(misfit.path) else misfit
        raise misfit or MisfitError("cannot be anything")

    return Form(lambda value: any(option.fits(value) for option in options), tell, read)


def _one_of(values: tuple[Any, ...]) -> Form:
    def fits(value: Any) -> bool:
        return any(type(value) is type(one) and value == one for one in values)

    def read(value: Any) -> Any:
        if not fits(value):
            raise MisfitError(f"must be one of {', '.join(map(str, values))}, not {_shown(value)}")
        return value

    return Form(fits, _same, read)


def _tuple(parts: tuple[Any, ...]) -> Form:
    if len(parts) == 2 and parts[1] is Ellipsis:
        item = form(parts[0])
        return Form(
            lambda value: isinstance(value, tuple) and all(map(item.fits, value)),
            lambda value: list(map(item.tell, value)),
            lambda value: tuple(_each(item, value)),
        )
    items = [form(part) for part in parts]
    return _fixed(items, tuple)


def _fixed(items: list[Form], make: Callable[[list[Any]], Any]) -> Form:
    def fits(value: Any) -> bool:
        return len(value) == len(items) and all(item.fits(part) for item, part in zip(items, value, strict=True))

    def read(value: Any) -> Any:
        if type(value) is not list or len(value) != len(items):
            raise MisfitError(f"must be a list of {len(items)}, not {_shown(value)}")
        return make([_at(item, part, number) for number, (item, part) in enumerate(zip(items, value, strict=True))])

    return Form(
        lambda value: isinstance(value, tuple) and fits(value),
        lambda value: [item.tell(part) for item, part in zip(items, value, strict=True)],
        read,
    )


def _set(item: Form) -> Form:
    return Form(
        lambda value: isinstance(value, frozenset) and all(map(item.fits, value)),
        lambda value: sorted(map(item.tell, value), key=json.dumps),
        lambda value: frozenset(_each(item, value)),
    )


def _row(kind: Any) -> Form:
    hints = get_type_hints(kind)
    fixed = _fixed([form(hints[name]) for name in kind._fields], kind._make)
    return Form(lambda value: type(value) is kind, fixed.tell, fixed.read)


def _object(kind: Any) -> Form:
    hints = get_type_hints(kind)
    parts = {field.name: (form(hints[field.name]), _default(field)) for field in fields(kind)}
    needed = {name for name, (_, default) in parts.items() if default is MISSING}

    def tell(value: Any) -> Any:
        found = {}
        for name, (part, default) in parts.items():
            if (one := getattr(value, name)) is not default and (type(one) is not type(default) or one != default):
                found[name] = part.tell(one)
        return found

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise MisfitError(f"must be an object, not {_shown(value)}")
        if unknown := value.keys() - parts.keys():
            raise MisfitError("is not a field that is known", min(unknown))
        if missing := needed - value.keys():
            raise MisfitError(f"{min(missing)} is missing")
        try:
            return kind(**{name: _at(parts[name][0], one, name) for name, one in value.items()})
        except MisfitError:
            raise
        except ValueError as exc:
            raise MisfitError(str(exc)) from exc

    return Form(lambda value: type(value) is kind, tell, read)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _address(kind: Any) -> Form:
    def read(value: Any) -> Any:
        try:
            return kind(_plain(str).read(value))
        except MisfitError:
            raise
        except ValueError as exc:
            raise MisfitError(f"must be an {kind.__name__}, not {_shown(value)}") from exc

    return Form(lambda value: type(value) is kind, str, read)


def _enum(kind: type[Enum]) -> Form:
    def read(value: Any) -> Any:
        try:
            return kind(value)
        except ValueError as exc:
            raise MisfitError(f"is not known: {_shown(value)}") from exc

    return Form(lambda value: type(value) is kind, lambda value: value.value, read)


def _bytes() -> Form:
    return Form(
        lambda value: type(value) is bytes,
        lambda value: {"base64": base64.b64encode(value).decode()},
        lambda value: _unbase64(_only(value, "base64")),
    )


def _private_key(kind: type[PrivateKey]) -> Form:
    def read(value: Any) -> PublicHalf:
        try:
            return PublicHalf(_unbase64(_only(value, "public_key")))
        except MisfitError:
            raise
        except ValueError as exc:
            raise MisfitError(str(exc)) from exc

    return Form(
        lambda value: isinstance(value, kind),
        lambda value: {"public_key": base64.b64encode(value.public).decode()},
        read,
    )


def _secret(kind: type[Secret]) -> Form:
    def read(value: Any) -> Secret:
        text = _only(value, "sha256")
        if not _FINGERPRINT.fullmatch(text):
            raise MisfitError("must be 64 hexadecimal digits", "sha256")
        return kind.known_by(text)

    return Form(lambda value: isinstance(value, kind), lambda value: {"sha256": value.fingerprint}, read)


def _each(item: Form, value: Any) -> list[Any]:
    if type(value) is not list:
        raise MisfitError(f"must be a list, not {_shown(value)}")
    return [_at(item, part, number) for number, part in enumerate(value)]


def _at(part: Form, value: Any, name: str | int) -> Any:
    try:
        return part.read(value)
    except MisfitError as exc:
        raise exc.under(name) from exc


def _only(value: Any, name: str) -> str:
    """Return the text under the one name that an object has."""
    if type(value) is not dict or list(value) != [name] or type(value[name]) is not str:
        raise MisfitError(f"must be an object with {name}, not {_shown(value)}")
    return str(value[name])


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MisfitError("must be base64") from exc


def _shown(value: Any) -> str:
    """Return a value as an error quotes it: no text, which may hold anything."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a text" if isinstance(value, str) else str(value)[:_SHOWN]


_FAMILIES: tuple[tuple[type, Callable[[Any], Form]], ...] = (
    (PrivateKey, _private_key),
    (Secret, _secret),
    (Enum, _enum),
    (tuple, _row),
)
