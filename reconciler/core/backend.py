"""What the core needs of a backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from intent.resources.resource import Request
from reconciler.core.errors import BackendError, UnsupportedError

Partitions = frozenset[Hashable] | None
"""The parts of a table to look at; ``None`` means all of it."""


@dataclass(frozen=True, slots=True)
class Dump:
    """The rows of one table, raw as the backend got them, and what is needed to decode any of them.

    The rows can be taken once, since a backend need not keep what it has handed out.
    Two dumps of one table with the same ``digest``, where they have one, are the same in rows and context: what was
    decoded of the first need not be decoded again.
    """

    rows: Iterable[Any]
    context: Any = None
    digest: Hashable | None = None


@dataclass(frozen=True, slots=True)
class RowNews:
    """A row, raw as in a `Dump` of its table, that is there now, or is gone."""

    row: Any = field(repr=False)
    gone: bool


@dataclass(frozen=True, slots=True)
class News:
    """What has changed since the last look, as far as it is known.

    ``tables`` are those to look at again, ``None`` means all of them, since events were lost. ``rows`` are all the
    changes to some other tables, in their order, where it is certain that each came after the last look: those tables
    need not be looked at. ``heard`` are the tables in which something has changed that is only listened to (see
    `Backend.listen`). ``actors`` says, by table, who made the latest change, in words such as ``process 812
    (dhcpcd)``, where that can be known.
    """

    tables: frozenset[str] | None = frozenset()
    actors: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Sequence[RowNews]] = field(default_factory=dict)
    heard: frozenset[str] = frozenset()


class Events(ABC):
    """A stream of news that can be waited for with select(2)."""

    covers: ClassVar[frozenset[str]] = frozenset()
    """The tables of which every change is told. The others are to be looked at by the clock as well."""

    @abstractmethod
    def fileno(self) -> int:
        """Return the file descriptor that is readable when there may be news; it is the same until `close`."""

    @abstractmethod
    def read(self) -> News:
        """Return what there is to know by now; never waits, and reads a bounded amount. Raises nothing."""

    @abstractmethod
    def close(self) -> None:
        """End the stream."""


class Backend(ABC):
    """The way to one part of a node: dump tables, send requests.

    Both calls are bounded in time. Opening happens at the first use, never at construction.
    """

    tables: ClassVar[frozenset[str]]
    requests: ClassVar[tuple[type[Request], ...]]

    @abstractmethod
    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Look at each wanted table once and return its rows, or the error that kept it from being seen."""

    def lacks(self, requests: Sequence[Request]) -> list[UnsupportedError]:
        """Return, without changing anything, what the node lacks to carry out the requests at all, each once."""
        return []

    def events(self) -> Events | None:
        """Open the stream of news about the tables, ``None`` where there is none and only looking helps.

        News of our own changes, made by `send` of this backend, are left out where they can be told apart. Raises
        BackendError.
        """
        return None

    def listen(self, parts: Mapping[str, Partitions]) -> None:
        """Have the streams of news tell of these parts of tables too, whether they are looked at or not.

        It takes the place of what was listened to before. Where news are of whole tables there is nothing to do.
        """
        return

    @abstractmethod
    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Carry out the requests in order and return what became of each; a failed one does not stop the rest."""

    @abstractmethod
    def close(self) -> None:
        """Release sockets and files. The backend may be used again and then opens them anew."""
