"""What a node file refers to, and the values of that, as a snapshot tells them: without secrets."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any, get_args

from intent.references import Reference
from reconciler.core.snapshot import Snapshot, damaged
from reconciler.core.snapshot_values import MisfitError, form


def spelled(reference: Reference[Any]) -> str:
    """Return what tells one reference from another, as JSON text; references hold no secrets."""
    return json.dumps([type(reference).__name__, _bare(reference)], sort_keys=True, separators=(",", ":"))


def told(reference: Reference[Any], value: Any) -> Any:
    """Return the value of a reference as JSON, without secrets. Raises TypeError for one of a kind that is not told."""
    return form(_value_type(reference)).tell(value)


def value(reference: Reference[Any], snapshot: Snapshot) -> Any:
    """Return the value of a reference. Raises KeyError where it is not told, DamagedSnapshotError."""
    found = snapshot.references[spelled(reference)]
    try:
        return form(_value_type(reference)).read(found)
    except MisfitError as exc:
        raise damaged(exc.under("references")) from exc


def _value_type(reference: Reference[Any]) -> Any:
    kind = type(reference)
    bases = getattr(kind, "__orig_bases__", ())
    arguments = [argument for base in bases for argument in get_args(base)]
    if len(arguments) != 1:
        raise TypeError(f"the type of the values of {kind.__name__} is not known")
    return arguments[0]


def _part(value: Any, shown: bool) -> Any:
    """Return a field; of one that is not shown, such as what is encrypted in a document, a digest."""
    bare = _bare(value)
    return bare if shown else {"sha256": sha256(json.dumps(bare).encode()).hexdigest()}


def _bare(value: Any) -> Any:
    """Return a reference, or a part of one, as JSON, by what it is compared by."""
    if is_dataclass(value):
        return {part.name: _part(getattr(value, part.name), part.repr) for part in fields(value) if part.compare}
    if isinstance(value, tuple):
        return [_bare(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
