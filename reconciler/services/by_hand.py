"""Commands that a daemon carries out where one runs, and this process where none does: from any shell, at any time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.backends.history_file import HistoryFile
from reconciler.backends.machine_clock import MachineClock
from reconciler.backends.references import Resolvers
from reconciler.backends.state_folder import StateFolder
from reconciler.core.errors import RolledBackError, StellwerkError
from reconciler.core.loop import Loop
from reconciler.core.status import status
from reconciler.services import draining
from reconciler.services.applying_here import NoChecks, loop_here
from reconciler.services.control_client import Control, somewhere
from reconciler.services.draining import Deed, DrainRequest
from reconciler.services.interpretation import NodeInterpreter


def confirm(state_folder: Path, socket: Path) -> None:
    """Keep what is on trial. Raises RefusedError, RolledBackError, other StellwerkErrors.

    Where it is too late and whoever was to undo it is gone, it is undone here.
    """

    def deed(loop: Loop, undone: bool) -> None:
        if undone:
            raise RolledBackError("it is too late to confirm: the time was over, and the change is undone now")
        loop.confirm()

    _somewhere(state_folder, socket, "confirm", deed)


def roll_back(state_folder: Path, socket: Path) -> dict[str, Any]:
    """Undo what is on trial; return the status after that. Raises RefusedError, other StellwerkErrors."""

    def deed(loop: Loop, undone: bool) -> None:
        if not undone:
            loop.roll_back()
            loop.settle()

    return _somewhere(state_folder, socket, "rollback", deed)


def retry(state_folder: Path, socket: Path) -> None:
    """Let what was rolled back be tried again. Raises RefusedError, other StellwerkErrors."""
    _somewhere(state_folder, socket, "retry", lambda loop, _: loop.retry())


def suspend(state_folder: Path, socket: Path, reason: str, seconds: float | None) -> None:
    """Have nothing changed for some time, ``None`` for until it is resumed. Raises StellwerkError."""
    _somewhere(
        state_folder, socket, "suspend", lambda loop, _: loop.suspend(reason, seconds), reason=reason, seconds=seconds
    )


def resume(state_folder: Path, socket: Path) -> None:
    """End a suspension. Raises RefusedError, other StellwerkErrors."""
    _somewhere(state_folder, socket, "resume", lambda loop, _: loop.resume())


def drain(state_folder: Path, socket: Path, request: DrainRequest) -> dict[str, Any]:
    """Have things not offered any more; return what became of them. Raises RefusedError, other StellwerkErrors."""
    return _drain_somewhere(state_folder, socket, "drain", draining.drain, request)


def undrain(state_folder: Path, socket: Path, request: DrainRequest) -> dict[str, Any]:
    """Have things offered again; return what became of them. Raises RefusedError, other StellwerkErrors."""
    return _drain_somewhere(state_folder, socket, "undrain", draining.undrain, request)


def status_on_disk(state_folder: Path, why: str) -> dict[str, Any]:
    """Return the status as far as what is kept on disk tells it; nothing else is looked at, and nothing changed.

    ``why`` says why there is no other. What cannot be read is told in it.
    """
    state, history = StateFolder(state_folder), HistoryFile(state_folder)
    loop = Loop(NodeInterpreter(Resolvers()), (), state, history, NoChecks(), MachineClock())
    drained: list[dict[str, Any]] = []
    try:
        drained = draining.kept_on_disk(state, loop.clock)
    except StellwerkError as exc:
        loop.troubles["drains"] = str(exc)
    if loop.permission.suspension is not None and loop.permission.suspension.why_over(loop.clock) is not None:
        loop.permission.suspension = None
    reasons = [why, *loop.troubles.values(), *filter(None, [loop.permission.problem, loop.telling.problem])]
    if loop.custody.intents.trial is not None:
        reasons.append(
            "a change is on trial and nobody undoes it: `stellwerk confirm` or `stellwerk rollback` ends that"
        )
    told = status(loop)
    return {**told, "offers": drained, "health": {**told["health"], "state": "degraded", "reasons": reasons}}


def _drain_somewhere(
    state_folder: Path,
    socket: Path,
    command: str,
    deed: Callable[[Loop, StateFolder, DrainRequest, bool], Deed],
    request: DrainRequest,
) -> dict[str, Any]:
    def do() -> dict[str, Any]:
        with loop_here(state_folder) as loop:
            done = deed(loop, StateFolder(state_folder), request, False)
            loop.settle()
            return draining.told(loop, done)

    return somewhere(socket, lambda control: control.ask(command, **request.to_json()), do)


def _somewhere(
    state_folder: Path, socket: Path, command: str, deed: Callable[[Loop, bool], None], **arguments: Any
) -> dict[str, Any]:
    """Have the daemon carry out a command, or do the deed here; return the status after it where it tells one."""

    def ask(control: Control) -> dict[str, Any]:
        told: dict[str, Any] = control.ask(command, **arguments).get("status", {})
        return told

    def do() -> dict[str, Any]:
        with loop_here(state_folder) as loop:
            overdue = loop.custody.trial_is_over()
            if overdue:
                # Whoever was to undo it is gone.
                loop.settle()
            deed(loop, overdue)
            return status(loop)

    return somewhere(socket, ask, do)
