"""Programs that have to run for an object to exist."""

from __future__ import annotations

from dataclasses import dataclass

from intent.resources.resource import Request


@dataclass(frozen=True, slots=True)
class StartProcess(Request):
    """Start a program that goes to the background by itself and outlives us, and wait until it is ready.

    It is ready when the unix socket ``ready`` answers ``question``. That it accepts connections is not enough: a
    program can listen before it has done what it does to its link.
    """

    argv: tuple[str, ...]
    ready: str
    question: bytes


@dataclass(frozen=True, slots=True)
class AwaitEnd(Request):
    """Wait until the program that listens on the unix socket ``ready`` has ended, and so let go of what it holds.

    It ends by itself, because what it works on was taken away.
    """

    program: str
    ready: str
