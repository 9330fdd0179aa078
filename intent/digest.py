"""The digest of what a node file means."""

from __future__ import annotations

import json
from hashlib import sha256

from intent.document import Node


def digest(node: Node) -> str:
    """Return the SHA-256 of a node's meaning, as 64 hexadecimal digits.

    Comments, layout, the order of fields and values that are the default change nothing. Node files hold no secrets,
    only references to them, so the digest may be shown.
    """
    parts = {feature.name: model.model_dump(mode="json") for feature, model in node.parts()}
    meaning = {"version": node.version, "node": node.name, "features": parts}
    return sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
