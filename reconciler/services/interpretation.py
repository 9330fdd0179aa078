"""From a document to what it asks for, kept while nothing that it refers to has changed."""

from __future__ import annotations

from dataclasses import dataclass

from intent.care import care
from intent.digest import digest
from intent.document import Node
from intent.expansion import expand, references
from intent.loading import loads
from intent.references import References
from reconciler.backends.references import Resolvers
from reconciler.core.intents import Document
from reconciler.core.loop import Wanted


def document(node: Node) -> Document:
    """Return the document of a node that was read."""
    return Document(node.source.name, node.source.text, digest(node))


@dataclass(slots=True)
class _Known:
    """The document interpreted last."""

    digest: str
    node: Node
    files: tuple[str, ...] = ()
    references: References | None = None
    wanted: Wanted | None = None


class NodeInterpreter:
    """Interprets node files; see `reconciler.core.loop.Interpreter`. ``files`` are the paths they refer to."""

    def __init__(self, resolvers: Resolvers) -> None:
        self._resolvers = resolvers
        self._known: _Known | None = None
        self.generated: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files that the document interpreted last refers to, there or not."""
        return () if self._known is None else self._known.files

    def interpret(self, document: Document) -> Wanted:
        """Return what the document asks for now, the very same value while nothing it refers to has changed.

        Raises IntentError and BackendError.
        """
        known = self._known
        if known is None or known.digest != document.digest:
            node = loads(document.text.encode(), document.name)
            known = self._known = _Known(document.digest, node, self._resolvers.files(references(node)))
        resolved = self._resolvers.resolve(references(known.node))
        self.generated = resolved.generated
        if known.wanted is not None and known.references == resolved.references and known.wanted.document == document:
            return known.wanted
        cares = care(known.node)
        known.references = resolved.references
        known.wanted = Wanted(
            document,
            known.node.name,
            expand(known.node, resolved.references),
            cares.confirm_seconds,
            cares.checks,
            cares.largest_deleted_share,
            resolved.notes,
        )
        return known.wanted
