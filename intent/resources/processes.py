"""Programs that have to run for an object to exist."""

from __future__ import annotations

from dataclasses import dataclass

from intent.resources.resource import Request


@dataclass(frozen=True, slots=True)
class StartProcess(Request):
    """Start a program that goes to the background by itself and outlives us, and wait until it is ready.

    It is ready when ``ready``, a unix socket, accepts connections.
    """

    argv: tuple[str, ...]
    ready: str
