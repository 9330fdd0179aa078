"""Programs that the lab's own process runs in its places: ip, tc and nft."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from reconciler.core.errors import StellwerkError
from reconciler.lab.namespaces import Place, network_of

_LIMIT_SECONDS = 120.0


class ProgramError(StellwerkError):
    """A program that the lab needs refused something; ``said`` is what it said."""

    def __init__(self, place: str, words: str, said: str) -> None:
        super().__init__(f"{place}: `{words}` failed: {said}")
        self.said = said


def ip(place: Place, home: int, lines: Iterable[str]) -> None:
    """Carry out commands of ``ip`` in a place, one a line (ip(8)). Raises ProgramError."""
    text = "".join(f"{line}\n" for line in lines)
    if text:
        run(place, home, ("ip", "-6", "-batch", "-"), text)


def run(place: Place, home: int, command: tuple[str, ...], text: str = "") -> str:
    """Return what a program prints in a place's network. Raises ProgramError."""
    with network_of(place, home):
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, check=False, timeout=_LIMIT_SECONDS
            )
        except FileNotFoundError as exc:
            raise ProgramError(place.name, command[0], "there is no such program: install it") from exc
        except subprocess.TimeoutExpired as exc:
            raise ProgramError(place.name, " ".join(command), f"not done in {_LIMIT_SECONDS:.0f} s") from exc
    if done.returncode:
        said = " / ".join(filter(None, map(str.strip, (done.stderr or done.stdout).splitlines())))
        raise ProgramError(place.name, " ".join(command), said or f"status {done.returncode}")
    return done.stdout
