"""Text from a file as a terminal can show it: nothing invisible, nothing that moves the cursor, no secrets."""

from __future__ import annotations

import re
import unicodedata

SHOWN_CHARACTERS = 60
"""How much of a value an error message repeats."""

# A WireGuard key as `wg` prints it, or as its UAPI spells it. Only a public key may be shown.
_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=|(?<![0-9A-Za-z])[0-9A-Fa-f]{64}(?![0-9A-Za-z])")
MASK = "(hidden)"


def shown(character: str) -> str:
    """Return the character, or its escape where it would not be seen: controls, formats, spaces of odd kinds."""
    if "\udc80" <= character <= "\udcff":
        # A byte that is not UTF-8, as Python's surrogateescape keeps it.
        return f"\\x{ord(character) - 0xDC00:02x}"
    if not character.isprintable():
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def printable(text: str) -> str:
    """Return the text with everything that a terminal would not show as a character escaped."""
    return text if text.isascii() and text.isprintable() else "".join(map(shown, text))


def width(character: str) -> int:
    """Return how many cells of a terminal a printable character takes: 0, 1 or 2."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def looks_like_key(text: str) -> bool:
    """Return whether the text is a WireGuard key in base64 or hexadecimal."""
    return _KEY.fullmatch(text) is not None


def key_spans(line: str) -> list[tuple[int, int]]:
    """Return where in the line stands what looks like a WireGuard key."""
    return [match.span() for match in _KEY.finditer(line)]


def quoted(text: str) -> str:
    """Return the text in backticks for a message: printable, cut when long, anything like a key hidden."""
    text = _KEY.sub(MASK, text[: 8 * SHOWN_CHARACTERS])
    if len(text) > SHOWN_CHARACTERS:
        text = text[: SHOWN_CHARACTERS - 1] + "…"
    return f"`{printable(text)}`"
