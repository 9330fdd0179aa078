"""Plans on disk: the operations, and the node file they were made from, so that they can be made again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intent.document import Node
from intent.loading import loads
from intent.problems import IntentError
from intent.reading import LARGEST_BYTES
from reconciler.core.errors import RefusedError, StellwerkError
from reconciler.core.plan_document import VERSION, DamagedPlanError, steps

MARK = "stellwerk_plan"
_MARK_WITHIN_BYTES = 1024


@dataclass(frozen=True)
class SavedPlan:
    """A plan that was read back: the node it is for, and its operations in their JSON form, which are whole."""

    node: Node
    plan: dict[str, Any]


def save(path: Path, node: Node, plan: dict[str, Any], generated: tuple[str, ...]) -> None:
    """Write the JSON form of the plan for a node together with the node file, which holds no secrets.

    Raises RefusedError when it could never be applied, StellwerkError when it cannot be written.
    """
    if generated:
        raise RefusedError(
            f"the plan makes new keys ({', '.join(generated)}), which are different at each look and are not written "
            "into a plan; apply the node file itself, or make them first with `wg genkey`"
        )
    intent = {"name": node.source.name, "text": node.source.text}
    data = json.dumps({**plan, "intent": intent}, indent=1, ensure_ascii=False).encode()
    if len(data) > LARGEST_BYTES:
        size, most = len(data) >> 20, LARGEST_BYTES >> 20
        raise RefusedError(f"the plan has {size} MiB, and at most {most} are read; apply the node file itself")
    try:
        with open(path, "wb", opener=_private) as file:
            file.write(data)
    except OSError as exc:
        raise StellwerkError(f"{path} cannot be written: {exc.strerror}") from exc


def decode(data: bytes, name: str) -> SavedPlan | None:
    """Return the saved plan in what a file holds, ``None`` when that is something else, such as a node file.

    Raises RefusedError for a plan of another version, and for a damaged one.
    """
    if not data.startswith(b"{"):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as exc:
        # Whatever is wrong with a node file in JSON, the loader of node files says it better.
        if f'"{MARK}"'.encode() in data[:_MARK_WITHIN_BYTES]:
            raise _damaged(name, "it is no JSON; was it cut?") from exc
        return None
    if not isinstance(found, dict) or MARK not in found:
        return None
    version = found[MARK]
    if type(version) is not int or version != VERSION:
        raise RefusedError(f"{name} is a plan of another version than {VERSION}; make a new plan")
    try:
        steps(found)
        return SavedPlan(_node(name, found.get("intent")), {"operations": found["operations"]})
    except DamagedPlanError as exc:
        raise _damaged(name, str(exc)) from exc


def _node(name: str, intent: Any) -> Node:
    if not isinstance(intent, dict) or not all(isinstance(intent.get(part), str) for part in ("name", "text")):
        raise _damaged(name, "the node file is missing; a plan for `apply` is made with `stellwerk plan --out`")
    try:
        return loads(intent["text"].encode(), intent["name"])
    except (IntentError, UnicodeEncodeError) as exc:
        raise _damaged(name, "the node file in it is not right any more") from exc


def _damaged(name: str, why: str) -> RefusedError:
    return RefusedError(f"{name} is a damaged plan: {why}; make a new one")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
