"""Programs that go to the background by themselves and outlive us."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, ClassVar

from intent.resources.processes import AwaitEnd, StartProcess
from intent.resources.resource import Request
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, BusyError, RejectedError, UnreachableError, UnsupportedError

START_TIMEOUT_SECONDS = 10.0
END_TIMEOUT_SECONDS = 10.0
"""wireguard-go ends within a tenth of a second after its link was deleted, on a machine that is not busy."""
_NOT_INHERITED = frozenset({"LOG_LEVEL"})
"""With it, wireguard-go would go on writing to what it was started with."""
_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 1.0
_MESSAGE_BYTES = 400


class Processes(Backend):
    """The backend for starting programs and awaiting their end.

    It has no tables: what a program makes is seen in those of others.
    """

    tables: ClassVar[frozenset[str]] = frozenset()
    requests: ClassVar[tuple[type[Request], ...]] = (StartProcess, AwaitEnd)

    def close(self) -> None:
        """Do nothing: what was started goes on."""

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return nothing."""
        return {}

    def lacks(self, requests: Sequence[Request]) -> list[UnsupportedError]:
        """Return the programs that are not installed, each once."""
        programs = {request.argv[0] for request in requests if isinstance(request, StartProcess)}
        return [_no_program(program) for program in sorted(programs) if shutil.which(program) is None]

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Start programs in this network namespace and wait until they are ready; wait for others to end."""
        results: list[BackendError | None] = []
        for request in requests:
            if isinstance(request, StartProcess):
                results.append(_start(request))
            elif isinstance(request, AwaitEnd):
                results.append(_await_end(request))
        return results


def _no_program(program: str) -> UnsupportedError:
    return UnsupportedError(f"there is no program {program} on the PATH; install it")


def _start(request: StartProcess) -> BackendError | None:
    program = request.argv[0]
    about = f"start {' '.join(request.argv)}"
    if shutil.which(program) is None:
        return _no_program(program)
    # A predecessor that is ending would make the new one refuse to start, and would look as if it were ready.
    if not _wait(lambda: not _accepts(request.ready), END_TIMEOUT_SECONDS):
        return BusyError(f"{about}: something listens on {request.ready} already; end it, or choose another name")
    return _launch(request, about)


def _await_end(request: AwaitEnd) -> BackendError | None:
    if _wait(lambda: not _accepts(request.ready), END_TIMEOUT_SECONDS):
        return None
    return BusyError(
        f"{request.program} still listens on {request.ready} {END_TIMEOUT_SECONDS:.0f} s "
        "after its link was deleted; end it"
    )


def _launch(request: StartProcess, about: str) -> BackendError | None:
    # Its words go to a file, not a pipe: a pipe that nobody reads any more would end the program later.
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                request.argv,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if name not in _NOT_INHERITED},
                cwd="/",
                start_new_session=True,
            )
        except OSError as exc:
            return RejectedError(f"{about}: {exc.strerror}")
        try:
            status = process.wait(START_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return UnreachableError(
                f"{about}: it did not go to the background within {START_TIMEOUT_SECONDS:.0f} s; "
                "run it by hand to see why"
            )
        if status != 0:
            return RejectedError(f"{about}: it ended with status {status}: {_last_words(said)}")
    if not _wait(lambda: _answers(request.ready, request.question), START_TIMEOUT_SECONDS):
        return UnreachableError(f"{about}: nothing answers on {request.ready}; run it by hand to see why")
    return None


def _last_words(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _MESSAGE_BYTES))
    return " ".join(said.read().decode(errors="replace").split()) or "without a word"


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(path)
        except OSError:
            return False
        return True


def _answers(path: str, question: bytes) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(path)
            connection.sendall(question)
            return bool(connection.recv(1))
        except OSError:
            return False


def _wait(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
