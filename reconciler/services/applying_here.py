"""An order carried out without a daemon: by this process, or, where it is to be confirmed, by one that outlives it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from intent.checks import Check
from reconciler.backends.checked_health import HealthOnce
from reconciler.backends.drained import DrainedByHand
from reconciler.backends.machine_clock import MachineClock
from reconciler.backends.references import Resolvers
from reconciler.backends.state_folder import StateFolder
from reconciler.core.errors import StellwerkError
from reconciler.core.loop import Loop
from reconciler.services import applying, draining, this_node
from reconciler.services.applying import Order, Say
from reconciler.services.control_client import Control, NobodyError
from reconciler.services.interpretation import NodeInterpreter

START_SECONDS = 120.0
"""How long the holder may take to begin; a router takes its time to load Python."""
_POLL_SECONDS = 0.02
SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd manages the machine (sd_booted(3))."""


class NoChecks:
    """Carries out no checks: this process does not stay to see them."""

    def start(self, checks: Sequence[Check], turn: int) -> None:
        """Do nothing."""


def apply(state_folder: Path, order: Order, say: Say) -> dict[str, Any]:
    """Carry out an order that needs no confirmation, in this process. Raises IntentError and StellwerkError.

    What an earlier one left on trial, whose holder is gone, is undone first when its time is over.
    """
    with loop_here(state_folder) as loop:
        if loop.custody.trial_is_over():
            loop.settle()
            say({"event": "note", "text": "an earlier change was not confirmed in time and was undone first"})
        told = applying.apply(loop, order, say)
        with suppress(StellwerkError):
            draining.forget_what_is_over(loop, StateFolder(state_folder))
        return told


@contextmanager
def loop_here(state_folder: Path) -> Iterator[Loop]:
    """Give a loop for the commands of this process, which has the lock meanwhile. Raises StellwerkError.

    What is kept on disk must be whole: only a daemon goes on without.
    """
    state = StateFolder(state_folder)
    resolvers = Resolvers(HealthOnce(state, keep=True), DrainedByHand(state))
    with this_node.this_node(state_folder, resolvers) as here, here.state.locked():
        here.state.load_intents()
        interpreter = NodeInterpreter(here.resolvers)
        yield Loop(interpreter, here.backends, here.state, here.history(), NoChecks(), MachineClock())


def hold(state_folder: Path, socket: Path) -> Control:
    """Start a process that sees one trial through, whatever becomes of this one, and return a connection to it.

    It has a session of its own, and under systemd a scope of its own, so that the end of a login does not end it.
    Raises StellwerkError when it does not begin.
    """
    arguments = ("run", "--see-through", "--state-dir", str(state_folder), "--socket", str(socket))
    command = [sys.executable, "-c", "from reconciler.cli import main; main()", *arguments]
    if SYSTEMD.is_dir() and (systemd_run := shutil.which("systemd-run")) is not None and os.geteuid() == 0:
        command = [systemd_run, "--scope", "--quiet", "--collect", "--slice=system.slice", *command]
    with tempfile.TemporaryFile() as errors, ExitStack() as stack:
        holder = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            cwd="/",
        )
        stack.callback(_end, holder)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                control = Control(socket)
                stack.pop_all()
                return control
            except NobodyError:
                if holder.poll() is not None:
                    break
                time.sleep(_POLL_SECONDS)
        stack.close()
        errors.seek(0)
        said = errors.read(4096).decode(errors="replace").strip().removeprefix("stellwerk: ")
    raise StellwerkError(
        f"nothing was changed: the process that would undo the change did not begin: {said or 'no reason'}"
    )


def _end(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
