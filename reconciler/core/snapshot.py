"""A snapshot: what a node really has, written down so that it can be held against an intent elsewhere, later.

It has the objects of all tables, ours and those of others, in the same types in which they are compared; which of them
are ours; what could not be seen; and the values of what a node file refers to. It has no secrets. It is JSON, with an
object on each line, in an order that does not depend on that in which things were seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn, cast

from intent.resources import kinds
from intent.resources.resource import Key, Resource
from reconciler.core.backend import Partitions
from reconciler.core.commits import Commit
from reconciler.core.errors import BackendError, StellwerkError
from reconciler.core.observe import Observation, TableView
from reconciler.core.snapshot_values import MisfitError, form

VERSION = 1
MOST_BYTES = 256 << 20
"""How large a snapshot may be that is read: one with a million routes has less."""
MOST_OBJECTS = 1_500_000
_TEXTS = ("node", "host", "stellwerk", "digest", "history")
_LONGEST_TEXT = 1000
_TOP = frozenset(
    {"stellwerk_snapshot", *_TEXTS, "taken", "commit", "looked_at", "unseen", "notes"}
    | {"references", "vanished", "objects"}
)


class DamagedSnapshotError(StellwerkError):
    """What should be a snapshot is none, is damaged, or was written by another version; the text says where."""


@dataclass(frozen=True)
class Snapshot:
    """What a node had at ``taken`` (seconds since 1970).

    ``node`` is the name in the document that it was held at, empty where that is not known, as are its ``digest`` and
    ``commit``; ``history`` is the head of its history. ``looked_at`` are the parts of each table that were looked at,
    ``None`` for all of it. ``references`` are values of what a node file refers to as JSON, by JSON that says what.
    """

    node: str
    host: str
    taken: float
    stellwerk: str
    observation: Observation
    looked_at: Mapping[str, Partitions]
    digest: str = ""
    commit: Commit | None = None
    history: str = ""
    references: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def lines(snapshot: Snapshot) -> Iterator[str]:
    """Yield the lines of a snapshot as JSON, each with its line break."""
    head = {
        "stellwerk_snapshot": VERSION,
        "node": snapshot.node,
        "host": snapshot.host,
        "taken": round(snapshot.taken, 3),
        "stellwerk": snapshot.stellwerk,
        "digest": snapshot.digest,
        "commit": None if snapshot.commit is None else form(Commit).tell(snapshot.commit),
        "history": snapshot.history,
        "looked_at": {
            table: None if parts is None else sorted(cast(Any, parts), key=lambda part: (str(type(part)), part))
            for table, parts in sorted(snapshot.looked_at.items())
        },
        "unseen": {what: str(error) for what, error in sorted(snapshot.observation.unseen.items())},
        "notes": list(snapshot.notes),
    }
    yield "{\n"
    for name, value in head.items():
        yield f"{json.dumps(name)}: {_text(value)},\n"
    references = [{"of": json.loads(of), "value": value} for of, value in sorted(snapshot.references.items())]
    yield from _list("references", map(_text, references), ",\n")
    observation = snapshot.observation
    vanished = sorted(_object(one, True) for one in observation.vanished.values())
    yield from _list("vanished", vanished, ",\n")
    seen = [
        _object(one, key in observation.owned) for view in observation.tables for key, one in view.resources.items()
    ]
    yield from _list("objects", sorted(seen), "\n")
    yield "}\n"


def read(data: bytes) -> Snapshot:
    """Return the snapshot that was written as this JSON. Raises DamagedSnapshotError, which says where."""
    if len(data) > MOST_BYTES:
        raise DamagedSnapshotError(f"it has {len(data) >> 20} MiB, and at most {MOST_BYTES >> 20} are read")
    try:
        document = json.loads(data, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise DamagedSnapshotError(f"line {exc.lineno}, column {exc.colno}: this is no JSON: {exc.msg}") from exc
    except RecursionError as exc:
        raise DamagedSnapshotError("it is nested too deeply") from exc
    except ValueError as exc:
        raise DamagedSnapshotError("this is no JSON") from exc
    try:
        return _snapshot(document)
    except MisfitError as exc:
        raise damaged(exc) from exc


def _snapshot(document: Any) -> Snapshot:
    if type(document) is not dict or "stellwerk_snapshot" not in document:
        raise MisfitError("this is no snapshot of stellwerk")
    if document["stellwerk_snapshot"] != VERSION:
        raise MisfitError(f"must be {VERSION}, the only version that this stellwerk reads", "stellwerk_snapshot")
    if unknown := document.keys() - _TOP:
        raise MisfitError("is not a field that is known", min(unknown))
    if missing := _TOP - document.keys():
        raise MisfitError(f"{min(missing)} is missing")
    texts = {name: _field(document, name, str) for name in _TEXTS}
    if long := [name for name, text in texts.items() if len(text) > _LONGEST_TEXT]:
        raise MisfitError(f"has more than {_LONGEST_TEXT} characters", long[0])
    unseen = {
        what: BackendError(why) for what, why in _mapping(document, "unseen", lambda one: form(str).read(one)).items()
    }
    return Snapshot(
        **texts,
        taken=_field(document, "taken", float),
        commit=_field(document, "commit", Commit | None),
        looked_at=_mapping(document, "looked_at", _partitions),
        notes=_field(document, "notes", tuple[str, ...]),
        references=dict(_reference(one, number) for number, one in enumerate(_items(document, "references"))),
        observation=_observation(document, unseen),
    )


def _observation(document: Any, unseen: Mapping[str, BackendError]) -> Observation:
    tables: dict[str, dict[Key, Resource]] = {}
    everything: dict[Key, Resource] = {}
    owned: set[Key] = set()
    objects = _items(document, "objects")
    if len(objects) > MOST_OBJECTS:
        raise MisfitError(f"has {len(objects)}, and at most {MOST_OBJECTS} are read", "objects")
    for number, one in enumerate(objects):
        resource, ours = _resource(one, "objects", number)
        key = resource.key
        there = tables.setdefault(resource.table, {})
        if key in there:
            raise MisfitError("is there twice", "objects", number)
        there[key] = everything[key] = resource
        if ours:
            owned.add(key)
    vanished = (_resource(one, "vanished", number)[0] for number, one in enumerate(_items(document, "vanished")))
    return Observation(
        resources=everything,
        owned=frozenset(owned),
        unseen=dict(unseen),
        tables=tuple(
            TableView(name, set(map(type, there.values())), {key.space for key in there}, there)
            for name, there in sorted(tables.items())
        ),
        vanished={one.key: one for one in vanished},
    )


@cache
def _kinds() -> Mapping[str, type[Resource]]:
    return {kind.__name__: kind for members in kinds().values() for kind in members}


def _object(resource: Resource, ours: bool) -> str:
    kind = type(resource)
    return _text({"kind": kind.__name__, "ours": ours, "is": form(kind).tell(resource.told())})


def _resource(one: Any, *place: str | int) -> tuple[Resource, bool]:
    if type(one) is not dict or one.keys() != {"kind", "ours", "is"}:
        raise MisfitError("must be an object with kind, ours and is", *place)
    kind = _kinds().get(one["kind"]) if type(one["kind"]) is str else None
    if kind is None:
        raise MisfitError("is no kind of object that is known", *place, "kind")
    if type(one["ours"]) is not bool:
        raise MisfitError("must be true or false", *place, "ours")
    try:
        return cast(Resource, form(kind).read(one["is"])), one["ours"]
    except MisfitError as exc:
        raise exc.under(*place, "is") from exc


def _reference(one: Any, number: int) -> tuple[str, Any]:
    if type(one) is not dict or one.keys() != {"of", "value"}:
        raise MisfitError("must be an object with of and value", "references", number)
    return json.dumps(one["of"], sort_keys=True, separators=(",", ":")), one["value"]


def _field(document: Mapping[str, Any], name: str, hint: Any) -> Any:
    try:
        return form(hint).read(document[name])
    except MisfitError as exc:
        raise exc.under(name) from exc


def _mapping(document: Mapping[str, Any], name: str, read: Callable[[Any], Any]) -> dict[str, Any]:
    found = document[name]
    if type(found) is not dict:
        raise MisfitError("must be an object", name)
    try:
        return {key: read(value) for key, value in found.items()}
    except MisfitError as exc:
        raise exc.under(name) from exc


def _items(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document[name]
    if type(found) is not list:
        raise MisfitError("must be a list", name)
    return found


def _partitions(value: Any) -> Partitions:
    found = form(tuple[str | int, ...] | None).read(value)
    return None if found is None else frozenset(found)


def _list(name: str, items: Iterable[str], end: str) -> Iterator[str]:
    yield f"{json.dumps(name)}: ["
    between = "\n"
    for item in items:
        yield between + item
        between = ",\n"
    yield ("]" if between == "\n" else "\n]") + end


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def damaged(misfit: MisfitError) -> DamagedSnapshotError:
    """Return the error that says what is wrong, and where in the snapshot."""
    way = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_LONGEST_TEXT]}" for part in misfit.path)
    return DamagedSnapshotError(f"{way.removeprefix('.')}: {misfit.message}" if way else misfit.message)
