"""What the commands that look at this node share: from a node file to a look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from intent.document import Node
from intent.expansion import expand, references
from intent.resources.resource import Resource
from reconciler.backends import real_backends
from reconciler.backends.references import Resolved, resolve
from reconciler.backends.state_folder import StateFolder
from reconciler.core.backend import Backend
from reconciler.core.reconcile import Look, look


@dataclass(frozen=True)
class Session:
    """A node file that was read and expanded, and the ways to the node it is for."""

    node: Node
    resolved: Resolved
    desired: tuple[Resource, ...]
    backends: tuple[Backend, ...]
    state: StateFolder

    def look(self) -> Look:
        """Look at the node and plan. Raises PlanError."""
        return look(self.desired, self.backends, self.state)


@contextmanager
def session(node: Node, state_folder: Path) -> Iterator[Session]:
    """Resolve what the node file refers to and open the ways to this node, closed at the end.

    Raises IntentError and BackendError.
    """
    resolved = resolve(references(node))
    desired = expand(node, resolved.references)
    backends = real_backends()
    try:
        yield Session(node, resolved, desired, backends, StateFolder(state_folder))
    finally:
        for backend in backends:
            backend.close()
