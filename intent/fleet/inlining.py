"""The content of a secret's file inside a document: encrypted, in one line."""

from __future__ import annotations

import base64

_BEGINNINGS = tuple(
    base64.b64encode(words).decode()[: len(words) * 4 // 3]
    for words in (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
)
"""What a text begins with that is an encrypted file itself (C2SP age specification)."""


def is_relative_path(text: str) -> bool:
    """Return whether a text names a file of the repository, rather than an absolute path or a file's content."""
    return not text.startswith(("/", *_BEGINNINGS))


def text_of(data: bytes) -> str:
    """Return the content of a file as one line. Raises ValueError where it is not encrypted."""
    if not data.startswith((b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")):
        raise ValueError("is no age file, so that its content would stand in the document for everybody to read")
    return base64.b64encode(data).decode()
