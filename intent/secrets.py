"""Values that cannot print themselves."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import Self


class Secret:
    """Bytes that no log, plan, error or traceback shows: only `reveal` gives them.

    Of some only the `fingerprint` is known; such a one equals the secret itself.
    """

    __slots__ = ("__dict__", "_value")

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    @classmethod
    def known_by(cls, fingerprint: str) -> Self:
        """Return the secret with that fingerprint, of which no more is known."""
        secret = cls(b"")
        secret.fingerprint = fingerprint
        secret.known = False
        return secret

    known = True
    """Whether the bytes are known here."""

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the bytes in hexadecimal digits: it tells two secrets apart, and not what they are."""
        return sha256(self._value).hexdigest()

    def reveal(self) -> bytes:
        """Return the secret bytes. Raises ValueError where only the fingerprint is known."""
        if not self.known:
            raise ValueError("only the fingerprint of this secret is known here")
        return self._value

    def __repr__(self) -> str:
        """Return the type alone."""
        return f"{type(self).__name__}(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same bytes."""
        if not isinstance(other, Secret):
            return False
        if self.known and other.known:
            return self._value == other._value
        return self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        """Return a hash of the fingerprint."""
        return hash(self.fingerprint)

    def __reduce__(self) -> str:
        """Refuse to be pickled. Raises TypeError."""
        raise TypeError("a secret is not serialised")


class PresharedKey(Secret):
    """A WireGuard preshared key of 32 bytes; all zero means none (linux/wireguard.h)."""

    __slots__ = ()


class PrivateKey(Secret):
    """A Curve25519 private key of 32 bytes, clamped as WireGuard does (RFC 7748, section 5)."""

    __slots__ = ()

    def __init__(self, value: bytes) -> None:
        if len(value) != 32:
            raise ValueError("a private key has 32 bytes")
        clamped = bytearray(value)
        clamped[0] &= 248
        clamped[31] = (clamped[31] & 127) | 64
        super().__init__(bytes(clamped))

    @cached_property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        from nacl.bindings import crypto_scalarmult_base

        return bytes(crypto_scalarmult_base(self._value))

    def __eq__(self, other: object) -> bool:
        """Return whether both have the same public half."""
        if type(other) is type(self):
            return self._half() == other._half()
        return isinstance(other, PrivateKey) and self.public == other.public

    def __hash__(self) -> int:
        """Return a hash of the public half."""
        return hash(self.public)

    def _half(self) -> bytes:
        """Return what tells this key from others of its type, as cheaply as may be."""
        return self._value


class PublicHalf(PrivateKey):
    """The private key of somebody of whom only the public key, 32 bytes, is known. It equals the key itself."""

    __slots__ = ()

    def __init__(self, public: bytes) -> None:
        """Take the public key. Raises ValueError for another length."""
        super().__init__(bytes(32))
        if len(public) != 32:
            raise ValueError("a public key has 32 bytes")
        self.public = bytes(public)

    def reveal(self) -> bytes:
        """Raises ValueError: the private half is not known."""
        raise ValueError("only the public half of this key is known here")

    def _half(self) -> bytes:
        return self.public
