"""Our table of nftables, through the program nft and its JSON (nft(8), libnftables-json(5)).

One process a look at the most, and none while the kernel's number of the state of its tables is that of the last look.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from intent.resources.nftables_table import FAMILY, TABLE, ChangeNftables, NftTableRow
from intent.resources.resource import Request
from reconciler.backends.nftables_netlink import NO_NF_TABLES, Kernel, NftablesEvents
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import (
    BackendError,
    BusyError,
    DeniedError,
    OccupiedError,
    RejectedError,
    StaleError,
    UnsupportedError,
)

RUN_TIMEOUT_SECONDS = 20.0
RUNS_REMEMBERED = 16
_PROGRAM = "nft"
_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"
_MESSAGE_CHARACTERS = 400
_NOT_INSTALLED = "there is no program nft; install it (the package nftables)"
_TYPES: tuple[tuple[str, type[BackendError], str], ...] = (
    ("Operation not permitted", DeniedError, "run it as root, or with CAP_NET_ADMIN in this network namespace"),
    ("Permission denied", DeniedError, "run it as root, or with CAP_NET_ADMIN in this network namespace"),
    ("No such file or directory", StaleError, "run it again"),
    ("File exists", OccupiedError, f"somebody else made a table {FAMILY} {TABLE}; remove it"),
    ("Device or resource busy", BusyError, "run it again"),
    ("Resource temporarily unavailable", BusyError, "run it again"),
    ("Interrupted system call", BusyError, "run it again"),
    ("Operation not supported", UnsupportedError, "load the modules of nftables"),
    ("Protocol not supported", UnsupportedError, NO_NF_TABLES),
)
"""The words of errno in the C locale, what they mean, and what to do."""


class _Ran(NamedTuple):
    """What became of a run: its output, or what it complained of."""

    output: str
    complaint: str | None


class Nftables(Backend):
    """The backend for the table ``nftables``; of all tables of the kernel only our own is looked at."""

    tables: ClassVar[frozenset[str]] = frozenset({"nftables"})
    requests: ClassVar[tuple[type[Request], ...]] = (ChangeNftables,)

    def __init__(self) -> None:
        self._kernel = Kernel()
        self._runs: deque[int] = deque(maxlen=RUNS_REMEMBERED)
        self._seen: tuple[int, tuple[NftTableRow, ...]] | None = None
        self._streams: list[NftablesEvents] = []
        self._asked = False

    def close(self) -> None:
        """Forget what was seen; no socket stays open but those of streams of events."""
        self._seen = None

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return a row for our table where it is there."""
        if "nftables" not in wanted:
            return {}
        try:
            return {"nftables": self._look(searching=wanted["nftables"] is None)}
        except BackendError as error:
            return {"nftables": error}

    def lacks(self, requests: Sequence[Request]) -> list[UnsupportedError]:
        """Return what the kernel or the node has not got; the kernel tries what is to be made, and changes nothing."""
        mine = [request for request in requests if isinstance(request, ChangeNftables)]
        if not mine:
            return []
        if _program() is None:
            return [UnsupportedError(_NOT_INSTALLED)]
        try:
            self._kernel.generation()
        except UnsupportedError as error:
            return [error]
        except BackendError:
            # That rights are missing is found, and said, by the change itself.
            return []
        return [lack for request in mine if (lack := self._lacking(request)) is not None]

    def events(self) -> NftablesEvents | None:
        """Open the stream of what the kernel tells of our table, ``None`` where it has no nftables."""
        try:
            opened = NftablesEvents(lambda: self._runs)
            if self._asked:
                opened.attend()
        except BackendError:
            return None
        self._streams = [*(stream for stream in self._streams if not stream.closed), opened]
        return opened

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Carry out each request as a transaction of its own."""
        return [self._change(request) for request in requests if isinstance(request, ChangeNftables)]

    def _look(self, searching: bool) -> Dump:
        self._asked = True
        for stream in self._streams:
            stream.attend()
        try:
            generation = self._kernel.generation()
        except UnsupportedError:
            return Dump([])
        except DeniedError:
            if searching:
                # Who may not even look has made nothing that could be found.
                return Dump([])
            raise
        if self._seen is None or self._seen[0] != generation:
            self._seen = generation, self._rows()
        return Dump(list(self._seen[1]), digest=(generation, self._seen[1]))

    def _rows(self) -> tuple[NftTableRow, ...]:
        if not self._kernel.has_table():
            return ()
        ran = self._run(("-j", "list", "table", FAMILY, TABLE))
        if ran.complaint is not None:
            error = _error(f"list the nftables table {FAMILY} {TABLE}", ran.complaint)
            if isinstance(error, StaleError):
                return ()
            raise error
        return (NftTableRow(FAMILY, TABLE, ran.output),)

    def _change(self, request: ChangeNftables) -> BackendError | None:
        try:
            ran = self._run(("-j", "-f", "-"), _document(request))
        except BackendError as error:
            return error
        if ran.complaint is None:
            return None
        refusal = _error(request.about, ran.complaint)
        return None if request.gone_is_done and isinstance(refusal, StaleError) else refusal

    def _lacking(self, request: ChangeNftables) -> UnsupportedError | None:
        try:
            ran = self._run(("-c", "-j", "-f", "-"), _document(request))
        except BackendError:
            return None
        error = None if ran.complaint is None else _error(request.about, ran.complaint)
        if isinstance(error, UnsupportedError):
            return error
        if isinstance(error, StaleError) and request.makes:
            # Of a table that is made anew all is there, but for the kernel's modules.
            return UnsupportedError(f"{error}; a module of the kernel is missing, such as nft_nat or nft_reject_inet")
        return None

    def _run(self, arguments: Sequence[str], told: str | None = None) -> _Ran:
        program = _program()
        if program is None:
            raise UnsupportedError(_NOT_INSTALLED)
        try:
            process = subprocess.Popen(
                (program, *arguments),
                stdin=subprocess.DEVNULL if told is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
                cwd="/",
                text=True,
                errors="replace",
            )
        except OSError as exc:
            raise RejectedError(f"{program} cannot be run: {exc.strerror}") from exc
        # Before it can have changed anything: what is told of that must not be taken for somebody else's.
        self._runs.append(process.pid)
        with process:
            try:
                output, said = process.communicate(told, RUN_TIMEOUT_SECONDS)
            except BaseException as exc:
                process.kill()
                process.communicate()
                if isinstance(exc, subprocess.TimeoutExpired):
                    words = f"nft did not end within {RUN_TIMEOUT_SECONDS:.0f} s and was ended; run it again"
                    raise BusyError(words) from exc
                raise
        return _Ran(output, None if process.returncode == 0 else said)


def _program() -> str | None:
    return shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=_FOLDERS)


def _document(request: ChangeNftables) -> str:
    return json.dumps({"nftables": [json.loads(command) for command in request.commands]})


def _error(about: str, complaint: str) -> BackendError:
    said = " ".join(complaint.split())[:_MESSAGE_CHARACTERS] or "nft ended without a word"
    for words, kind, advice in _TYPES:
        if words in said:
            return kind(f"{about}: {said}; {advice}")
    return RejectedError(f"{about}: {said}")
