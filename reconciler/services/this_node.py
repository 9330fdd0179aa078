"""The node that the process runs on: the ways to it, what its files refer to, and what is kept about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.backends import real_backends
from reconciler.backends.checked_health import HealthOnce
from reconciler.backends.drained import DrainedByHand
from reconciler.backends.history_file import HistoryFile
from reconciler.backends.references import Resolvers
from reconciler.backends.state_folder import StateFolder
from reconciler.core.backend import Backend


@dataclass(frozen=True)
class ThisNode:
    """The ways to this node."""

    backends: tuple[Backend, ...]
    resolvers: Resolvers
    state: StateFolder

    def history(self) -> HistoryFile:
        """Return the history, to write to. Whoever writes has the lock of the state folder."""
        return HistoryFile(self.state.folder)


@contextmanager
def this_node(state_folder: Path, resolvers: Resolvers | None = None) -> Iterator[ThisNode]:
    """Give the ways to this node, closed at the end.

    The resolvers wait for name servers and for the checks of exits unless others are given.
    """
    backends = real_backends()
    state = StateFolder(state_folder)
    try:
        yield ThisNode(backends, resolvers or Resolvers(HealthOnce(state), DrainedByHand(state)), state)
    finally:
        for backend in backends:
            backend.close()
