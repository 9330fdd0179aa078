"""The files of the state folder: versioned JSON with a checksum, whole or not there, readable by their owner only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from intent.resources.resource import Key
from reconciler.backends.atomic_files import replace_file
from reconciler.backends.state_folder_errors import unreadable
from reconciler.backends.state_folder_values import decode, encode
from reconciler.core.drains import Drains
from reconciler.core.errors import DamagedStateError, VersionError
from reconciler.core.intents import Intents
from reconciler.core.inventory import Inventory
from reconciler.core.known_health import KnownHealth
from reconciler.core.suspension import Suspension

VERSION = 1
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Form(Generic[Value]):
    """How a value is kept in the file ``name``; ``meaning`` says what its loss means and what to do."""

    name: str
    meaning: str
    encode: Callable[[Value], dict[str, Any]]
    decode: Callable[[Mapping[str, Any]], Value]


def read(folder: Path, form: Form[Value]) -> Value | None:
    """Return what is kept, ``None`` when there is no file.

    Raises DamagedStateError, VersionError for a whole file of another version, other StellwerkErrors.
    """
    path = folder / form.name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise unreadable(path, exc) from exc
    except UnicodeDecodeError as exc:
        raise _damaged(path, form, "it is no text") from exc
    try:
        version, content = _checked(json.loads(text))
        if version != VERSION:
            raise VersionError(
                f"{path} is of version {version}, and this stellwerk reads {VERSION}: run the stellwerk that wrote it. "
                f"{form.meaning}"
            )
        return form.decode(content)
    except RecursionError as exc:
        raise _damaged(path, form, "it is nested too deeply") from exc
    except (ValueError, LookupError, TypeError, OverflowError) as exc:
        raise _damaged(path, form, str(exc)) from exc


def write(folder: Path, form: Form[Value], value: Value) -> None:
    """Keep a value, so that a reader, or a boot after a power cut, finds all of the old or of the new.

    Raises OSError.
    """
    document = {"version": VERSION, **form.encode(value)}
    content = json.dumps({**document, "sha256": _checksum(document)}, indent=1) + "\n"
    replace_file(str(folder / form.name), content.encode("ascii"), 0o600)


def _checked(document: Any) -> tuple[int, dict[str, Any]]:
    """Return the version and the content of a document whose checksum is right."""
    if not isinstance(document, dict):
        raise TypeError("it is no JSON object")
    content = dict(document)
    checksum = content.pop("sha256", None)
    if checksum != _checksum(content):
        raise ValueError("its checksum is wrong, so it was altered or cut" if checksum else "it has no checksum")
    version = content.pop("version", None)
    if type(version) is not int:
        raise TypeError(f"its version is {version!r:.20}")
    return version, content


def _checksum(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the JSON with sorted keys and without white space."""
    return sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _damaged(path: Path, form: Form[Any], why: str) -> DamagedStateError:
    return DamagedStateError(form.name, f"{path} is damaged ({why}). {form.meaning}")


def _encode_inventory(inventory: Inventory) -> dict[str, Any]:
    return {
        "objects": [
            {"key": [key.space, *key.name], "remembered": held}
            for key, held in sorted(inventory.entries.items(), key=repr)
        ],
        "partitions": {table: sorted(parts, key=repr) for table, parts in sorted(inventory.partitions.items())},
    }


def _decode_inventory(document: Mapping[str, Any]) -> Inventory:
    entries = {}
    for entry in _a(list, document["objects"]):
        space, *name = _a(list, entry["key"])
        entries[Key(_a(str, space), tuple(_a(str | int, part) for part in name))] = _a(dict, entry["remembered"])
    partitions = {table: frozenset(_a(list, parts)) for table, parts in _a(dict, document["partitions"]).items()}
    return Inventory(entries, partitions)


def _a(kind: Any, value: Any) -> Any:
    """Return the value. Raises TypeError when it is of another kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} stands where {getattr(kind, '__name__', kind)} belongs")
    return value


INVENTORY: Form[Inventory] = Form(
    "inventory.json",
    "It says which unmarked objects are ours (addresses, sysctls, babeld's interfaces). Put a copy back, or move the "
    "file away: what carries a mark is found again, the rest is then treated as not ours",
    _encode_inventory,
    _decode_inventory,
)
INTENTS: Form[Intents] = Form(
    "intents.json",
    "It says which node file this node is held at, which one is on trial, and which were rolled back. Put a copy back, "
    "or move the file away: the node file then counts as it is, also where it was rolled back before",
    encode,
    lambda document: decode(Intents, document),
)
SUSPENSION: Form[Suspension] = Form(
    "suspension.json",
    "It says that, and until when, an operator wants nothing changed on this node. Move the file away when changes are "
    "wanted again",
    encode,
    lambda document: decode(Suspension, document),
)
DRAINS: Form[Drains] = Form(
    "drains.json",
    "It says what an operator has drained, and until when. Move the file away when nothing is to be drained any more",
    encode,
    lambda document: decode(Drains, document),
)
HEALTH: Form[KnownHealth] = Form(
    "health.json",
    "It says what the checks of the exits said last. Move the file away: the next checks say it anew",
    encode,
    lambda document: decode(KnownHealth, document),
)
FORMS: tuple[Form[Any], ...] = (INVENTORY, INTENTS, SUSPENSION, DRAINS, HEALTH)
