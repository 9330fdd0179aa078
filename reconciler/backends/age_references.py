"""Opening the age files that an intent names or holds, with this node's identity. The keys are in memory alone."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from typing import Any, ClassVar

from intent import age_text
from intent.references import AgePresharedKey, AgePrivateKey, Reference, ResolvedKey
from intent.resources.wireguard_names import key_bytes
from intent.resources.wireguard_requests import NO_PRESHARED_KEY
from intent.secrets import PresharedKey, PrivateKey
from reconciler.backends import age_files
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.errors import DeniedError, RejectedError


class AgeKeys(Resolver[AgePrivateKey | AgePresharedKey]):
    """Resolves references to keys in age files, of which each holds one key of 44 characters of base64."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (AgePrivateKey, AgePresharedKey)

    def resolve(self, reference: AgePrivateKey | AgePresharedKey) -> Resolution:
        """Return the key. Raises DeniedError, RejectedError and UnsupportedError."""
        what, content = _content(reference.age)
        path = age_files.identity_path()
        opened = age_files.decrypt(content, age_files.read_identity(path), what, str(path))
        try:
            value = key_bytes(opened.strip().decode("ascii"))
        except ValueError:
            # Not `from`: the text of a decoding error quotes what is in the file.
            raise RejectedError(
                f"{what}: there is no WireGuard key in it: 44 characters of base64, the last one ="
            ) from None
        if isinstance(reference, AgePrivateKey):
            return Resolution(ResolvedKey(PrivateKey(value), generated=False))
        key = PresharedKey(value)
        if key == NO_PRESHARED_KEY:
            raise RejectedError(f"{what}: the key in it is all zero, which means none; make one with `wg genpsk`")
        return Resolution(key)

    def file(self, reference: AgePrivateKey | AgePresharedKey) -> str | None:
        """Return the path of the age file, or of the identity that opens what the node file itself holds."""
        return reference.age if reference.age.startswith("/") else str(age_files.identity_path())


RESOLVER = AgeKeys


def _content(age: str) -> tuple[str, bytes]:
    """Return how an age file is called in errors, and its content."""
    if not age.startswith("/"):
        content = base64.b64decode(age)
        return f"the age file in the node file with SHA-256 {hashlib.sha256(content).hexdigest()[:12]}…", content
    try:
        with open(os.open(age, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RejectedError(f"{age}: this is no regular file")
            # Armor makes it a third longer.
            return age, file.read(2 * age_text.LONGEST_BYTES)
    except FileNotFoundError as exc:
        raise RejectedError(f"{age}: there is no such age file; `stellwerk key encrypt` makes one") from exc
    except PermissionError as exc:
        raise DeniedError(f"{age}: this age file may not be read; run it as the file's owner or as root") from exc
    except (OSError, ValueError) as exc:
        raise RejectedError(f"{age}: this age file cannot be read: {exc}") from exc
