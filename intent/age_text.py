"""Age files as text: what they are known by, and how they stand in a node file.

The format is that of age-encryption.org/v1: a header of lines, one stanza for each recipient, and the encrypted content
behind it; armored, all of that is in base64 between two lines. Nothing is decrypted here.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from intent.display import looks_like_key
from intent.field_types import Text, wrong
from intent.fields import parse_path

LONGEST_BYTES = 64 << 10
"""The longest age file that is taken: a key for some hundred recipients."""
_BEGIN = b"age-encryption.org/v1\n"
_ARMOR_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
_ARMOR_END = b"-----END AGE ENCRYPTED FILE-----"
_SPACE = re.compile(rb"\s+")
_LONGEST_PATH = 1024
_BEGINNINGS = tuple(base64.b64encode(words[:18]).decode() for words in (_BEGIN, _ARMOR_BEGIN))
_RELATIVE_PATH = re.compile(r"[\w.@ -]+(/[\w.@ -]+)*")
_NOT_SHOWN = "what is written is not shown"
_RIGHT = "must be an age file in base64 or the absolute path of one"


def binary(content: bytes) -> bytes:
    """Return an age file, armored or not, in its binary form.

    Raises ValueError for what is none, with words that go on after the file's name and do not repeat the content.
    """
    if content.lstrip().startswith(_ARMOR_BEGIN):
        content = _without_armor(content.strip())
    if len(content) > LONGEST_BYTES:
        raise ValueError(f"is longer than {LONGEST_BYTES >> 10} KiB, which no file with one key is")
    if not content.startswith(_BEGIN):
        if looks_like_key(content.decode(errors="replace").strip()):
            raise ValueError("is no age file but a key that is not encrypted; `stellwerk key encrypt` makes one of it")
        raise ValueError("is no age file: those begin with `age-encryption.org/v1`, or are armored")
    if not stanzas(content):
        raise ValueError("is a damaged age file: it is for nobody")
    return content


def inlined(content: bytes) -> str:
    """Return an age file as one line of base64, as it stands in a node file. Raises ValueError as `binary` does."""
    return base64.b64encode(binary(content)).decode()


def stanzas(content: bytes) -> tuple[str, ...]:
    """Return what kinds of recipients a binary age file has, such as ``X25519``; none where its header is damaged."""
    head, end, _ = content.partition(b"\n---")
    if not end:
        return ()
    words = (line.split() for line in head.splitlines() if line.startswith(b"-> "))
    return tuple(line[1].decode(errors="replace") for line in words if len(line) > 1)


def looks_like_path(text: str) -> bool:
    """Return whether a text could be the path of a file below a folder, and is neither a key nor an age file."""
    if len(text) > _LONGEST_PATH or not _RELATIVE_PATH.fullmatch(text) or text.startswith(_BEGINNINGS):
        return False
    return ("/" in text or "." in text) and not looks_like_key(text)


def _without_armor(content: bytes) -> bytes:
    if not content.endswith(_ARMOR_END):
        raise ValueError("is a damaged age file: its armor has no end")
    inside = _SPACE.sub(b"", content[len(_ARMOR_BEGIN) : -len(_ARMOR_END)])
    try:
        return base64.b64decode(inside, validate=True)
    except binascii.Error:
        raise ValueError("is a damaged age file: what is inside its armor is no base64") from None


def parse_age(text: str) -> str:
    """Return the absolute path of an age file, or its content in base64. No message repeats the text."""
    if looks_like_key(text.strip()):
        wrong(f"{_RIGHT}; this looks like the key itself", "encrypt it with `stellwerk key encrypt`")
    if text.lstrip().upper().startswith("AGE-SECRET-KEY-"):
        wrong(f"{_RIGHT}; this looks like an identity, which opens such files", "keep it on the node alone")
    if text.startswith("/"):
        return parse_path(text)
    try:
        return inlined(base64.b64decode(text, validate=True))
    except ValueError:
        if looks_like_path(text):
            wrong(
                f"{_RIGHT}; this looks like a path below a fleet's repository",
                "`stellwerk render` writes the file's content in its place: use what it writes",
            )
        wrong(f"{_RIGHT}; {_NOT_SHOWN}", "`stellwerk render` or `base64 -w0 FILE.age` gives the base64")


AgeText = Annotated[str, Text(parse_age, {"pattern": r"^(/|YWdl|LS0t)"})]
