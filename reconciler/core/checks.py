"""What a check came to, and what carries out a kind of check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from intent.checks import Check

C = TypeVar("C", bound=Check)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a check passed. ``reason`` says what was seen, and of one that failed what to do."""

    check: Check
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[C]):
    """How a kind of check is carried out."""

    kind: type[C]
    carry_out: Callable[[C], CheckResult]
    """Done in the network namespace of the thread, within the check's timeout as far as that can be held. May raise
    StellwerkError and OSError, which say why the check failed."""
    when_it_hangs: str
    """What is most likely wrong when there is no result in time."""
