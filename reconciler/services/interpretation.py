"""From a document to what it asks for, kept while nothing that it refers to has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from intent.care import care
from intent.digest import digest
from intent.document import Node
from intent.expansion import Expansion, expand, offers, references, services
from intent.loading import load, loads
from intent.references import Reference, References
from reconciler.backends.references import Resolvers, lives_on
from reconciler.core.backend import Partitions
from reconciler.core.desired import Desired
from reconciler.core.intents import Document
from reconciler.core.wanted import Wanted


def document(node: Node) -> Document:
    """Return the document of a node that was read."""
    return Document(node.source.name, node.source.text, digest(node))


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read, and what it says."""

    document: Document
    node: Node


MOST_KNOWN = 2
"""The document that the node is held at, and one that is to take its place."""


@dataclass(slots=True)
class _Known:
    """A document that was interpreted."""

    document: Document
    node: Node
    asked: tuple[Reference[Any], ...]
    files: tuple[str, ...]
    lives_on: Mapping[str, Partitions]
    references: References | None = None
    wanted: Wanted | None = None


class NodeInterpreter:
    """Interprets node files; see `reconciler.core.wanted.Interpreter`. It knows the last `MOST_KNOWN` of them."""

    def __init__(self, resolvers: Resolvers) -> None:
        self._resolvers = resolvers
        self._known: dict[str, _Known] = {}
        self._held = ""
        self._read: _Read | None = None
        self._last: Expansion | None = None
        self.generated: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files that the documents refer to, there or not, each once."""
        return tuple(dict.fromkeys(path for known in self._known.values() for path in known.files))

    @property
    def lives_on(self) -> Mapping[str, Partitions]:
        """The tables, and the parts of each, that what the documents refer to depends on."""
        found: dict[str, Partitions] = {}
        for known in self._known.values():
            for table, parts in known.lives_on.items():
                before = found.get(table, frozenset())
                found[table] = None if before is None or parts is None else before | parts
        return found

    def due(self) -> float:
        """Return when `refresh` is to be called, by the clock's `now`; infinity while nothing waits for a time."""
        return self._resolvers.due()

    def refresh(self, now: float) -> bool:
        """Do what is due; return whether documents are to be interpreted anew."""
        return self._resolvers.refresh(now)

    def read(self, path: str) -> Document:
        """Return the document in a file. What it has in common with those known is kept once. Raises IntentError."""
        return self.take(load(path, self._latest()))

    def take(self, node: Node) -> Document:
        """Return the document of a node, which is not read again when it is to be interpreted next."""
        self._read = _Read(document(node), node)
        return self._read.document

    def interpret(self, document: Document, held: bool = False) -> Wanted:
        """Return what the document asks for now, the very same value while nothing it refers to has changed.

        One that is ``held`` is the only one from now on: what others refer to is forgotten, and what cannot be looked
        up counts as it was last. Raises IntentError and BackendError.
        """
        if held:
            self._held = document.digest
        known = self._know(document)
        # One that may be refused takes nothing from the one that the node stays at then.
        others = () if held else [one for other in self._known.values() if other is not known for one in other.asked]
        resolved = self._resolvers.resolve(known.asked, others, recall=held)
        self.generated = resolved.generated
        if known.wanted is not None and known.references == resolved.references:
            if (known.wanted.notes, known.wanted.problems) != (resolved.notes, resolved.problems):
                known.wanted = replace(known.wanted, notes=resolved.notes, problems=resolved.problems)
            return known.wanted
        because = "" if known.references is None else ", ".join(resolved.references.changes(known.references))
        cares = care(known.node)
        self._last = expand(known.node, resolved.references, self._last)
        known.wanted = Wanted(
            document,
            known.node.name,
            Desired(self._last.by_key),
            cares.confirm_seconds,
            cares.checks,
            cares.largest_deleted_share,
            resolved.notes,
            because,
            offers(known.node, resolved.references),
            resolved.problems,
            services(known.node, resolved.references),
        )
        known.references = resolved.references
        return known.wanted

    def release(self) -> None:
        """Take note that no document is held: nothing that one refers to is followed."""
        self._resolvers.resolve(())

    def _know(self, document: Document) -> _Known:
        """Return what is known of a document, as the latest that was asked for. Raises IntentError."""
        known = self._known.pop(document.digest, None)
        read, self._read = self._read, None
        if known is None or known.document != document:
            if read is not None and read.document == document:
                node = read.node
            else:
                node = loads(document.text, document.name, self._latest())
            asked = references(node)
            known = _Known(document, node, asked, self._resolvers.files(asked), lives_on(asked))
        self._known[document.digest] = known
        while len(self._known) > MOST_KNOWN:
            del self._known[next(digest for digest in self._known if digest != self._held)]
        return known

    def _latest(self) -> Node | None:
        """Return the node that was known last."""
        return next((known.node for known in reversed(self._known.values())), None)
