"""On which interfaces respondd is in its groups: those named, as they come and go."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from typing import Protocol

CHECK_SECONDS = 2.0
"""How often is looked whether an interface has come, or is another one of the same name."""

_LOG = logging.getLogger("stellwerk")


class Groups(Protocol):
    """What can be in groups on interfaces, by their index."""

    def join(self, interface: int) -> None:
        """Join them. Raises OSError where the interface is gone."""
        ...

    def leave(self, interface: int) -> None:
        """Leave them."""
        ...


class Membership:
    """Keeps up with the interfaces of some names."""

    def __init__(self, names: Sequence[str], groups: Groups) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._groups = groups
        self._joined: dict[str, int] = {}
        self._missing: set[str] = set()
        self.interfaces: frozenset[int] = frozenset()
        """The indexes of the interfaces that are there."""

    def check(self) -> None:
        """Join the groups on interfaces that are new, and leave them on those that are gone."""
        for name in self._names:
            before, index = self._joined.get(name), _index(name)
            if before is not None and index == before:
                continue
            if before is not None:
                self._groups.leave(self._joined.pop(name))
            if index is not None:
                self._join(name, index)
            if name not in self._joined and name not in self._missing:
                self._missing.add(name)
                _LOG.warning("respondd waits for an interface", extra={"fact": {"interface": name}})
        self.interfaces = frozenset(self._joined.values())

    def _join(self, name: str, index: int) -> None:
        try:
            self._groups.join(index)
        except OSError:
            # It went meanwhile, or has no IPv6 yet: it is tried again at the next check.
            return
        self._joined[name] = index
        if name in self._missing:
            self._missing.discard(name)
            _LOG.info("respondd answers on an interface that came", extra={"fact": {"interface": name}})


def _index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None
