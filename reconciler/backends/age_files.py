"""age: the identity of a node, whom a file is encrypted for, encrypting and decrypting. pyrage is loaded when wanted.

What is decrypted is returned and kept nowhere; an error names the file and what is wrong, never what is in it.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from intent import age_text
from reconciler.core.errors import DeniedError, RejectedError, UnsupportedError
from reconciler.core.identity import IDENTITY, IDENTITY_VARIABLE

_LONGEST_IDENTITY_BYTES = 16 << 10
_AGE_IDENTITY = "AGE-SECRET-KEY-1"
_SSH_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_SSH_END = b"-----END OPENSSH PRIVATE KEY-----"
_SSH_MAGIC = b"openssh-key-v1\0"
_SSH_TYPE = b"ssh-ed25519"


@dataclass(frozen=True, slots=True)
class Identity:
    """What opens age files. ``recipients`` are its public halves, for whom to encrypt."""

    recipients: tuple[str, ...]
    keys: tuple[Any, ...] = field(repr=False)


def identity_path() -> Path:
    """Return the path of this node's identity file, which the environment may name."""
    return Path(os.environ.get(IDENTITY_VARIABLE) or IDENTITY)


def read_identity(path: Path) -> Identity:
    """Return the identity in a file. Raises DeniedError, RejectedError, UnsupportedError."""
    advice = f"`stellwerk key identity {path}` makes one; --identity or {IDENTITY_VARIABLE} names another"
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise RejectedError(f"{path}: this is no regular file; {advice}")
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise RejectedError(
                    f"{path}: others than its owner may read or write this identity, which opens this node's keys; "
                    f"`chmod 600 {path}`, and make new keys if others had access to the machine"
                )
            content = file.read(_LONGEST_IDENTITY_BYTES)
    except FileNotFoundError as exc:
        raise RejectedError(f"{path}: there is no identity, which the keys for this node are for; {advice}") from exc
    except PermissionError as exc:
        raise DeniedError(f"{path}: this identity may not be read; run it as the file's owner or as root") from exc
    except (OSError, ValueError) as exc:
        raise RejectedError(f"{path}: this identity cannot be read: {exc}") from exc
    return parse_identity(content, str(path))


def parse_identity(content: bytes, name: str) -> Identity:
    """Return the identity in the content of a file. Raises RejectedError, UnsupportedError."""
    if content.lstrip().startswith(_SSH_BEGIN):
        return _ssh_identity(content.strip(), name)
    pyrage = _pyrage()
    lines = [line.strip() for line in content.decode(errors="replace").splitlines()]
    keys = []
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#"):
            try:
                keys.append(pyrage.x25519.Identity.from_str(line))
            except pyrage.IdentityError:
                # Not `from`: nothing of the line is to be seen.
                raise RejectedError(
                    f"{name}:{number}: this line is no age identity, which begins with {_AGE_IDENTITY}, and the file "
                    "no SSH key of the type ed25519"
                ) from None
    if not keys:
        raise RejectedError(f"{name}: this file holds no identity; `stellwerk key identity` makes one")
    return Identity(tuple(str(key.to_public()) for key in keys), tuple(keys))


def _ssh_identity(content: bytes, name: str) -> Identity:
    public = _ssh_public(content)
    if public is None:
        raise RejectedError(f"{name}: this is no SSH private key of the type ed25519, the only type that is taken")
    pyrage = _pyrage()
    try:
        key = pyrage.ssh.Identity.from_buffer(content + b"\n")
    except pyrage.IdentityError as exc:
        words = "it has a passphrase, which nobody can type here" if "decrypted first" in str(exc) else "it is damaged"
        raise RejectedError(f"{name}: this SSH key cannot be used: {words}") from None
    return Identity((f"{_SSH_TYPE.decode()} {base64.b64encode(public).decode()}",), (key,))


def _ssh_public(content: bytes) -> bytes | None:
    """Return the public half of an ed25519 key (PROTOCOL.key of OpenSSH), ``None`` for anything else."""
    try:
        data = base64.b64decode(b"".join(content.removesuffix(_SSH_END)[len(_SSH_BEGIN) :].split()), validate=True)
        if not data.startswith(_SSH_MAGIC):
            return None
        at = len(_SSH_MAGIC)
        for _ in range(3):  # cipher, key derivation and its options
            at += 4 + int.from_bytes(data[at : at + 4], "big")
        at += 4  # the number of keys
        size = int.from_bytes(data[at : at + 4], "big")
    except binascii.Error:
        return None
    public = data[at + 4 : at + 4 + size]
    return public if public[4:].startswith(_SSH_TYPE) and len(public) == size else None


def new_identity() -> tuple[str, str]:
    """Return a new age identity, as a line of its file, and its recipient."""
    key = _pyrage().x25519.Identity.generate()
    return str(key), str(key.to_public())


def encrypt(content: bytes, recipients: Iterable[str], armored: bool = False) -> bytes:
    """Return the content as an age file for all the recipients. Raises RejectedError, UnsupportedError."""
    pyrage = _pyrage()
    known = [_recipient(pyrage, text.strip()) for text in dict.fromkeys(recipients)]
    return bytes(pyrage.encrypt(content, known, armored=armored))


def _recipient(pyrage: ModuleType, text: str) -> Any:
    if text.upper().startswith(_AGE_IDENTITY):
        raise RejectedError("a recipient is the public half, age1…; what was given looks like an identity, which is "
                            "not shown: `stellwerk key public` gives its public half")  # fmt: skip
    kind = pyrage.ssh if text.startswith("ssh-ed25519 ") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise RejectedError(
            f"{text!r:.80} is no recipient: age1…, as `stellwerk key identity` prints it, or `ssh-ed25519 AAAA…`"
        ) from None


def decrypt(content: bytes, identity: Identity, what: str, identity_name: str) -> bytes:
    """Return what is in an age file; ``what`` names it in errors. Raises RejectedError, UnsupportedError."""
    try:
        encrypted = age_text.binary(content)
    except ValueError as exc:
        raise RejectedError(f"{what}: this {exc}") from None
    if "scrypt" in age_text.stanzas(encrypted):
        raise RejectedError(f"{what}: this is encrypted with a passphrase; {_again(identity)}")
    pyrage = _pyrage()
    try:
        return bytes(pyrage.decrypt(encrypted, list(identity.keys)))
    except pyrage.DecryptError as exc:
        if "No matching keys" in str(exc):
            raise RejectedError(
                f"{what}: this is encrypted for somebody else: this node's identity {identity.recipients[0]} "
                f"({identity_name}) is not among its {len(age_text.stanzas(encrypted))} recipients; {_again(identity)}"
            ) from None
        raise RejectedError(f"{what}: this age file is damaged; take it from where it was made") from None


def _again(identity: Identity) -> str:
    return f"encrypt it again: `stellwerk key encrypt --to '{identity.recipients[0]}'`"


def _pyrage() -> ModuleType:
    try:
        return import_module("pyrage")
    except ImportError as exc:
        raise UnsupportedError(
            "keys in age files need the library pyrage, which is not here; install stellwerk with the extra `age`: "
            "pip install 'stellwerk[age]'"
        ) from exc
