"""The commit that a document comes from, and what is known of the repository."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of a git repository, as far as it is told of. Author and subject are what anybody may have written.

    ``id`` is its name in hexadecimal digits, ``author`` such as ``Ada <ada@example.org>``, ``committed`` seconds since
    1970, ``signer`` the name by which the node's operator knows who signed it, ``None`` where nobody had to.
    """

    id: str
    author: str
    subject: str
    committed: float
    signer: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as the status shows it."""
        return asdict(self)

    def facts(self, path: str) -> dict[str, Any]:
        """Return what the history tells of it, and of the path that was read of it."""
        signed = {} if self.signer is None else {"signer": self.signer}
        return {"commit": self.id, "author": self.author, "path": path, **signed}

    def __str__(self) -> str:
        """Return which it is, of whom and what for, in words."""
        signed = "" if self.signer is None else f", signed by {self.signer}"
        return f"{self.short} by {self.author}{signed} ({self.subject})"

    @property
    def short(self) -> str:
        """The first 12 digits of the name."""
        return self.id[:12]
