"""What the core needs of a backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from intent.resources.resource import Request
from reconciler.core.errors import BackendError, UnsupportedError

Partitions = frozenset[Hashable] | None
"""The parts of a table to look at; ``None`` means all of it."""


@dataclass(frozen=True, slots=True)
class Dump:
    """The rows of one table, raw as the backend got them, and what is needed to decode any of them."""

    rows: Iterable[Any]
    context: Any = None


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

    @abstractmethod
    def send(self, requests: Sequence[Request]) -> list[BackendError | None]:
        """Carry out the requests in order and return what became of each; a failed one does not stop the rest."""

    @abstractmethod
    def close(self) -> None:
        """Release sockets and files. The backend may be used again and then opens them anew."""
