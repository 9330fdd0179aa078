"""What of a node concerns the other nodes of its fleet, small and plain, so that it can be kept and sent elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple

from intent.fleet.layers import FleetSource
from intent.fleet.rendered import Origin, Rendered
from intent.shares import SHARES, Meeting, Share
from intent.tree import Path, place

KEY, NODE, ENDPOINT = "public_key", "node", "endpoint"
_OF_A_MEETING = (KEY, NODE, ENDPOINT)
_KINDS = {kind.__name__: kind for kind in SHARES}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Written(NamedTuple):
    """A share, without its path, and where it and those of its fields are written that messages point to."""

    share: Share
    at: Origin
    fields: tuple[tuple[str, Origin], ...] = ()

    def place(self, field: str) -> Origin:
        """Return where a field is written, or what it is a field of."""
        return next((at for name, at in self.fields if name == field), self.at)


class NodeFacts(NamedTuple):
    """What other nodes have to do with a node.

    ``host`` is where others reach it, in its one spelling. ``keys`` are its public keys: the name each has, the key,
    and where it is written.
    """

    file: str
    host: str | None
    keys: tuple[tuple[str, str, Origin], ...]
    shares: tuple[Written, ...]

    def key(self, name: str) -> str | None:
        """Return the public key of that name, ``None`` where the node does not say it."""
        return next((key for known, key, _ in self.keys if known == name), None)


def facts(rendered: Rendered) -> NodeFacts:
    """Return what of a node concerns the other nodes of its fleet."""
    public = rendered.public
    places = dict(public.written)
    whole = Origin(rendered.file, 1, 1)
    keys = tuple((name, key, places.get(("keys", name), whole)) for name, key in public.keys)
    host = None if public.host is None else spelled_host(public.host)
    return NodeFacts(rendered.file, host, keys, tuple(_written(rendered)))


def spelled_host(host: str) -> str:
    """Return a host in the one spelling that its address has, or its name."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _written(rendered: Rendered) -> Iterator[Written]:
    node, source = rendered.node, rendered.node.source

    def origin(path: Path, at_key: bool = False) -> Origin:
        line, column = place(node.root, path, at_key)
        return source.origin(line, column) if isinstance(source, FleetSource) else Origin(source.name, line, column)

    for feature, model in node.parts():
        for share in feature.shares(model, node):
            at = origin((feature.name, *share.path), at_key=not share.path)
            fields: tuple[tuple[str, Origin], ...] = ()
            if isinstance(share, Meeting):
                places = ((field, origin((feature.name, *share.path, field))) for field in _OF_A_MEETING)
                fields = tuple((field, there) for field, there in places if there != at)
            yield Written(share._replace(path=()), at, fields)


def to_json(found: NodeFacts) -> bytes:
    """Return facts as JSON in one line, for `from_json`. A path is left out, a file that is named often is a number."""
    files: dict[str, int] = {}

    def at(origin: Origin) -> list[int]:
        return [files.setdefault(origin.file, len(files)), origin.line, origin.column]

    keys = [[name, key, *at(place)] for name, key, place in found.keys]
    shares = [
        [_NAMES[type(one.share)], list(one.share[1:]), at(one.at), [[name, *at(place)] for name, place in one.fields]]
        for one in found.shares
    ]
    return json.dumps([found.file, found.host, keys, shares, list(files)], separators=(",", ":")).encode()


def from_json(text: bytes) -> NodeFacts:
    """Return the facts that `to_json` was given."""
    file, host, keys, shares, files = json.loads(text)

    def origin(number: int, line: int, column: int) -> Origin:
        return Origin(files[number], line, column)

    return NodeFacts(
        file,
        host,
        tuple((name, key, origin(*at)) for name, key, *at in keys),
        tuple(
            Written(
                _KINDS[kind]((), *map(_frozen, values)),
                origin(*at),
                tuple((name, origin(*place)) for name, *place in fields),
            )
            for kind, values, at, fields in shares
        ),
    )


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def of_kind(found: Iterable[Written], kind: type[Share]) -> Iterator[Written]:
    """Yield those of one kind."""
    return (one for one in found if type(one.share) is kind)
