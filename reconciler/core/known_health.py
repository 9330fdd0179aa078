"""What was held of the things with checks, kept for the programs that come after in the same start of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.core.hysteresis import Judgement


@dataclass(frozen=True, slots=True)
class Known:
    """What some checks, told by a hash of them, said of the things of these names; see `Judgement`."""

    checks: str
    of: tuple[str, ...]
    fit: bool
    since: float
    reason: str
    risen_at: float
    falls: int

    def judgement(self) -> Judgement:
        """Return it as it was held; what was under way to turn it has to begin anew."""
        return Judgement(self.fit, self.since, self.reason, self.risen_at, self.falls)


@dataclass(frozen=True, slots=True)
class KnownHealth:
    """All that is known, which holds for the start ``boot`` of the machine."""

    boot: str = ""
    known: tuple[Known, ...] = ()


class HealthStore(Protocol):
    """Where it is kept."""

    def load_health(self) -> KnownHealth:
        """Return what is known. Raises StellwerkError when it is damaged."""
        ...

    def save_health(self, health: KnownHealth) -> None:
        """Keep what is known. Raises StellwerkError."""
        ...

    def watched(self) -> bool:
        """Return whether a daemon keeps it current."""
        ...
