"""Plans on disk: the operations, and the node file they were made from, so that they can be made again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from intent.document import Node
from intent.loading import loads
from reconciler.core.errors import RefusedError, StellwerkError
from reconciler.core.plan_document import VERSION, to_json
from reconciler.core.reconcile import Look

LARGEST_BYTES = 256 << 20


def document(node: Node, seen: Look) -> dict[str, Any]:
    """Return the plan as the JSON object that is printed and saved. The node file holds no secrets."""
    intent = {"name": node.source.name, "text": node.source.text}
    return {**to_json(seen.plan, seen.lacks), "node": node.name, "intent": intent}


def save(path: Path, plan: dict[str, Any], generated: tuple[str, ...]) -> None:
    """Write the plan. Raises RefusedError when it could never be applied, StellwerkError when it cannot be written."""
    if generated:
        raise RefusedError(
            f"the plan makes new keys ({', '.join(generated)}), which are different at each look and are not written "
            "into a plan; apply the node file itself, or make them first with `wg genkey`"
        )
    try:
        with open(path, "w", encoding="utf-8", opener=_private) as file:
            json.dump(plan, file, indent=1, ensure_ascii=False)
    except OSError as exc:
        raise StellwerkError(f"{path} cannot be written: {exc.strerror}") from exc


def read(path: str) -> dict[str, Any] | None:
    """Return the saved plan in a file, ``None`` when the file is something else, such as a node file.

    Raises RefusedError for a plan of another version.
    """
    try:
        with open(path, "rb") as file:
            if file.read(1) != b"{":
                return None
            file.seek(0)
            found = json.loads(file.read(LARGEST_BYTES))
    except (OSError, ValueError):
        # Whatever is wrong with it, the loader of node files says it better.
        return None
    if not isinstance(found, dict) or "stellwerk_plan" not in found:
        return None
    if found["stellwerk_plan"] != VERSION:
        raise RefusedError(f"{path} is a plan of version {found['stellwerk_plan']}, not {VERSION}; make a new plan")
    return found


def node_of(path: str, plan: dict[str, Any]) -> Node:
    """Return the node that a saved plan was made for. Raises RefusedError when the file is damaged."""
    try:
        text, name = plan["intent"]["text"], plan["intent"]["name"]
        return loads(text.encode(), name)
    except (LookupError, TypeError, AttributeError) as exc:
        raise RefusedError(f"{path} is a damaged plan; make a new one") from exc


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
