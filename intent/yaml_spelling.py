"""Values as YAML has them on one line, for what a message or the reference says to write."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from intent.scalars import resolve

# What would be read as anything but this text (YAML 1.2, chapter 7.3.3); some parsers take a `:` in front for a key.
_NOT_PLAIN = re.compile(r"""\A[\s,\[\]{}#&*!|>'"%@`?:]|\A-(?:\s|\Z)|:(?:\s|\Z)|\s#|\s\Z""")
_NOT_PLAIN_INSIDE = re.compile(r"[,\[\]{}:]")


def as_yaml(value: object, inside: bool = False) -> str:
    """Return a text, number, truth value, list or mapping as YAML; ``inside`` is for what stands in ``[ ]`` or ``{ }``.

    Text is put in quotes only where it needs them; inside, wherever it has a colon.
    """
    if isinstance(value, str):
        plain = isinstance(resolve(value), str) and value.isprintable() and not _NOT_PLAIN.search(value)
        if plain and not (inside and _NOT_PLAIN_INSIDE.search(value)):
            return value
        text = json.dumps(value, ensure_ascii=False)
        return text if text.isprintable() else "".join(map(_escaped, text))
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{as_yaml(key, True)}: {as_yaml(one, True)}' for key, one in value.items())}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(as_yaml(one, True) for one in value)}]"
    return json.dumps(value)


def _escaped(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"
