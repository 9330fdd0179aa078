"""The commit that a document comes from, and what is known of the repository."""

from __future__ import annotations

from dataclasses import dataclass


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

    @property
    def short(self) -> str:
        """The first 12 digits of the name."""
        return self.id[:12]
