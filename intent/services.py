"""What is to run beside the loop that keeps a node, as a plain value: a name, and what it is to do."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """A service that a node is to run. One whose ``settings`` are equal to those it runs with goes on undisturbed."""

    name: str
    settings: Hashable
