"""The content of a secret's file inside a document: encrypted, in one line."""

from __future__ import annotations

from intent.age_text import inlined, looks_like_path


def is_relative_path(text: str) -> bool:
    """Return whether a text names a file of the repository, rather than an absolute path or a file's content.

    What may be a key by mistake names none: what refuses it does not repeat it.
    """
    return looks_like_path(text)


def text_of(data: bytes) -> str:
    """Return the content of a file as one line. Raises ValueError where it is not encrypted."""
    return inlined(data)
