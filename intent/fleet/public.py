"""``public`` of a node: what other nodes have to know of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field, RootModel
from pydantic_core import PydanticCustomError

from intent.display import quoted
from intent.field_types import Text, wrong
from intent.fields import PublicKey, parse_endpoint
from intent.fleet.layers import FleetSource
from intent.fleet.rendered import Origin, Public
from intent.source import Report
from intent.tree import Mapping, Path, Tree
from intent.validation import Model, validate


def parse_host(text: str) -> str:
    """Return a name or an address without a port."""
    try:
        return parse_endpoint(f"[{text}]:1" if ":" in text else f"{text}:1").host
    except PydanticCustomError:
        wrong(f"must be a host name or an address, without a port, not {quoted(text)}", 'such as `"2001:db8::7"`')


class Keys(RootModel[dict[str, PublicKey]]):
    """Public keys by the name of the interface, ``links`` for all links."""

    model_config = ConfigDict(strict=True, frozen=True)


class PublicFields(Model):
    """What other nodes have to know of a node."""

    words = "what is public of a node"

    keys: Keys = Field(
        default_factory=lambda: Keys({}),
        description="The public keys by interface; `links` for that of all links.",
        examples=[{"links": "hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="}],
    )
    host: Annotated[str, Text(parse_host)] | None = Field(
        default=None,
        description="The address or name at which others reach the node over the Internet; left out where they cannot.",
        examples=["2001:db8::7"],
    )


_PART = re.compile(rb"^public:[ \r\n].*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
# Where one of these begins a line, or stands in the part, its lines may mean something else than they seem to.
_UNUSUAL = re.compile(rb"^[^\sA-Za-z#]", re.MULTILINE)
_NEEDS_MORE = re.compile(rb"[&*$]")


def public_part(data: bytes) -> bytes:
    """Return of a node's own file only what is public, in the same lines; all of it where that is not easily found.

    A node with links is rendered with its neighbours at hand, and reading all of their files would take most time.
    """
    found = list(_PART.finditer(data))
    if len(found) != 1 or _NEEDS_MORE.search(found[0][0]) or _UNUSUAL.search(data):
        return data
    return b"\n" * data.count(b"\n", 0, found[0].start()) + found[0][0]


def read_public(tree: Tree | None, source: FleetSource, report: Report) -> Public:
    """Return what is public of a node; what is wrong is reported."""
    if tree is None:
        return Public()
    model = validate(PublicFields, tree, ("public",), report)
    if model is None:
        return Public()
    return Public(tuple(model.keys.root.items()), model.host, tuple(_written(tree, (), source)))


def _written(tree: Tree, path: Path, source: FleetSource) -> Iterator[tuple[Path, Origin]]:
    if isinstance(tree, Mapping):
        for name, value in tree.usable():
            yield from _written(value, (*path, name), source)
    else:
        yield path, source.origin(tree.line, tree.column)
