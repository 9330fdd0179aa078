"""Making keys, showing their public halves and encrypting them for nodes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from intent import age_text
from intent.resources.wireguard_names import KEY_BYTES, key_bytes, key_text
from intent.secrets import PrivateKey
from reconciler.backends import age_files
from reconciler.backends.new_files import PRIVATE, PUBLIC, write_new
from reconciler.core.errors import RejectedError


def generate(path: Path, recipients: Sequence[str], preshared: bool) -> str | None:
    """Write a new WireGuard key to a file, as an age file where there are recipients; return its public half, if any.

    Raises RefusedError for a file that is there, RejectedError for a wrong recipient, UnsupportedError without pyrage.
    """
    value = os.urandom(KEY_BYTES)
    key = PrivateKey(value)
    content = f"{key_text(value if preshared else key.reveal())}\n".encode()
    if recipients:
        write_new(path, age_files.encrypt(content, recipients), PUBLIC)
    else:
        write_new(path, content, PRIVATE)
    return None if preshared else key_text(key.public)


def identity(path: Path) -> str:
    """Write a new age identity to a file; return its recipient. Raises as `generate` does."""
    line, recipient = age_files.new_identity()
    write_new(path, f"# public: {recipient}\n{line}\n".encode(), PRIVATE)
    return recipient


def public_halves(content: bytes, name: str) -> tuple[str, ...]:
    """Return the public half of a WireGuard key, or the recipients of an identity. Raises RejectedError."""
    try:
        return (key_text(PrivateKey(key_bytes(content.strip().decode("ascii"))).public),)
    except ValueError:
        pass
    if _is_age(content):
        raise RejectedError(f"{name}: this is encrypted; its public half was told when the key was made")
    return age_files.parse_identity(content, name).recipients


def encrypt(content: bytes, name: str, recipients: Sequence[str], out: Path, anything: bool) -> None:
    """Write a key, encrypted for the recipients, to a file that is not there yet.

    Raises RejectedError for what is no WireGuard key, unless ``anything`` is taken.
    """
    if not anything:
        try:
            key_bytes(content.strip().decode("ascii"))
        except ValueError:
            what = "an age file already" if _is_age(content) else "no WireGuard key: 44 characters of base64"
            raise RejectedError(f"{name}: this is {what}; --any encrypts it all the same") from None
    write_new(out, age_files.encrypt(content, recipients), PUBLIC)


def _is_age(content: bytes) -> bool:
    try:
        age_text.binary(content)
    except ValueError:
        return False
    return True
