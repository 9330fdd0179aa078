"""A node's complete document, and which file gave each of its fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from intent.document import Node
from intent.tree import Path


class Origin(NamedTuple):
    """Where a value was written: the file below the repository's folder, line and column counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return it as ``file:line:column``."""
        return f"{self.file}:{self.line}:{self.column}"


class Explained(NamedTuple):
    """One value of a complete document: the way to it, its YAML text, where it was written, and what else was there.

    ``by`` says in words how it came to be, such as ``${address(mesh_prefix, number)}``, empty where it was written so.
    ``over`` are the places of values that it took the place of, the latest first.
    """

    path: Path
    value: str
    origin: Origin
    by: str = ""
    over: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Public:
    """What other nodes have to know of a node: its public keys by interface (``links`` for all its links), its host.

    ``host`` is the address or name at which others reach it over the Internet, ``None`` where they cannot.
    """

    keys: tuple[tuple[str, str], ...] = ()
    host: str | None = None
    written: tuple[tuple[Path, Origin], ...] = field(default=(), compare=False)
    """Where each of these is written, by the way to it from ``public``, such as ``("keys", "links")``."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A node of a fleet: its complete document as text, as a `Node`, and where each value of it comes from.

    The text is the same, byte by byte, for the same meaning. Places in errors of ``node`` are those of the sources.
    """

    node: Node
    text: str
    explain: Callable[[], tuple[Explained, ...]] = field(compare=False, repr=False)
    """Where each value comes from; worked out when it is called, from the files as they are then."""
    public: Public
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    file: str
    """The node's own file below the repository's folder."""
    inputs: tuple[str, ...] = ()
    """The files below the repository's folder that the document is made of, in the order of merging."""

    @property
    def explained(self) -> tuple[Explained, ...]:
        """Where each value comes from."""
        return self.explain()
