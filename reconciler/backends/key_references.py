"""Reading the key files that an intent names. An error names the file and what is wrong, never what is in it."""

from __future__ import annotations

import os
import stat
from typing import Any, ClassVar

from intent.references import PresharedKeyFile, PrivateKeyFile, Reference, ResolvedKey
from intent.resources.wireguard_names import KEY_BYTES, key_bytes
from intent.resources.wireguard_requests import NO_PRESHARED_KEY
from intent.secrets import PresharedKey, PrivateKey
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.errors import DeniedError, RejectedError

_LONGEST_FILE_BYTES = 4096


class KeyFiles(Resolver[PrivateKeyFile | PresharedKeyFile]):
    """Resolves references to files of ``wg genkey``'s and ``wg genpsk``'s form: 44 characters of base64.

    A private key that it made stays the same until its file is there, so that a file that cannot be written yet does
    not give the node another key at each look.
    """

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (PrivateKeyFile, PresharedKeyFile)

    def __init__(self) -> None:
        self._made: dict[str, PrivateKey] = {}

    def resolve(self, reference: PrivateKeyFile | PresharedKeyFile) -> Resolution:
        """Return the key in the file as it is now, with a note where others than its owner can read it.

        A missing private key that may be generated is made in memory; writing it is a change like any other.
        Raises DeniedError for a file that may not be read and RejectedError for one that holds no key.
        """
        if isinstance(reference, PresharedKeyFile):
            return _preshared_key(reference)
        try:
            value, notes = _read(reference.path)
        except FileNotFoundError as exc:
            return self._missing(reference, exc)
        self._made.pop(reference.path, None)
        return Resolution(ResolvedKey(PrivateKey(value), generated=False), notes)

    def file(self, reference: PrivateKeyFile | PresharedKeyFile) -> str | None:
        """Return the path of the key file."""
        return reference.path

    def _missing(self, reference: PrivateKeyFile, absence: FileNotFoundError) -> Resolution:
        if os.path.islink(reference.path):
            raise RejectedError(
                f"{reference.path}: this is a symbolic link to nothing; is something not mounted? A key that is made "
                "now would be made anew each time"
            ) from absence
        if not reference.generate:
            raise RejectedError(
                f"{reference.path}: there is no such private key file; make it with `wg genkey`, or say generate: true"
            ) from absence
        key = self._made.setdefault(reference.path, PrivateKey(os.urandom(KEY_BYTES)))
        return Resolution(ResolvedKey(key, generated=True), generated=True)


RESOLVER = KeyFiles


def _preshared_key(reference: PresharedKeyFile) -> Resolution:
    try:
        value, notes = _read(reference.path)
    except FileNotFoundError as exc:
        raise RejectedError(
            f"{reference.path}: there is no such preshared key file; make it with `wg genpsk`, the same on both sides"
        ) from exc
    key = PresharedKey(value)
    if key == NO_PRESHARED_KEY:
        raise RejectedError(f"{reference.path}: the key is all zero, which means none; make one with `wg genpsk`")
    return Resolution(key, notes)


def _read(path: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the key in a file and the notes on it. Raises FileNotFoundError, DeniedError, RejectedError."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise RejectedError(f"{path}: this is no regular file; a key file holds 44 characters of base64")
            content = file.read(_LONGEST_FILE_BYTES)
    except FileNotFoundError:
        raise
    except PermissionError as exc:
        raise DeniedError(f"{path}: this key file may not be read; run it as the file's owner or as root") from exc
    except (OSError, ValueError) as exc:
        raise RejectedError(f"{path}: this key file cannot be read: {exc}") from exc
    try:
        value = key_bytes(content.strip().decode("ascii"))
    except ValueError:
        # Not `from`: the text of a decoding error quotes what is in the file.
        raise RejectedError(f"{path}: this is no WireGuard key: 44 characters of base64, the last one =") from None
    open_to_others = mode & stat.S_IRWXO
    return value, (f"{path}: others can read this key file; `chmod 600` it",) if open_to_others else ()
