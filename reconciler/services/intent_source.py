"""Where a node's intent comes from: a file, or a repository. The daemon knows no more of it than this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class IntentSource(Protocol):
    """Tells the loop what the node is to be, and that a file has changed that this refers to.

    All calls come from the thread of the loop, and none waits for a network.
    """

    @property
    def followed(self) -> bool:
        """Whether there is an intent that whoever holds this goes on to follow."""
        ...

    @property
    def busy(self) -> bool:
        """Whether what was asked for by `read` is still to come, with the bell."""
        ...

    def fileno(self) -> int:
        """Return the file descriptor that is readable when there may be changes to `look` at."""
        ...

    def read(self) -> None:
        """Tell the loop what the intent is now, or begin to ask for it."""
        ...

    def take(self) -> bool:
        """Tell the loop what has come with the bell; return whether anything has."""
        ...

    def watch(self) -> None:
        """Watch what the documents refer to by now."""
        ...

    def look(self) -> None:
        """Tell the loop what has changed in the files."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Return where it comes from, for the log."""
        ...

    def close(self) -> None:
        """End it."""
        ...
