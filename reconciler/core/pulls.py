"""What is kept of a repository that a node follows: which commit was accepted last, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.core.commits import Commit
from reconciler.core.intents import Document


@dataclass(frozen=True, slots=True)
class Accepted:
    """The newest commit of a branch that was accepted, and the node's document as it is in it.

    ``url`` is without a password. The document's own commit is the one that changed it last.
    """

    url: str
    branch: str
    path: str
    head: Commit
    document: Document

    def is_of(self, url: str, branch: str, path: str) -> bool:
        """Return whether it is of this file of this branch of this repository."""
        return (self.url, self.branch, self.path) == (url, branch, path)


class AcceptedStore(Protocol):
    """Where that is kept between runs."""

    def load_accepted(self) -> Accepted | None:
        """Return what was accepted last, ``None`` for nothing. Raises StellwerkError."""
        ...

    def save_accepted(self, accepted: Accepted) -> None:
        """Keep it so that it survives a crash from the moment this returns. Raises StellwerkError."""
        ...
