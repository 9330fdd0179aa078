"""What clients of the daemon ask for: taken from any thread, carried out in that of the loop, and answered."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

from intent.problems import IntentError
from reconciler.core.drains import DrainStore
from reconciler.core.errors import RefusedError, StellwerkError
from reconciler.core.intents import Document
from reconciler.core.loop import Loop
from reconciler.core.status import status
from reconciler.services import applying, draining
from reconciler.services.control_protocol import ending
from reconciler.services.control_server import Job
from reconciler.services.draining import Deed, DrainRequest
from reconciler.services.node_files import NodeFiles


class Commands:
    """Carries out commands. ``settle`` takes the turns that are due, and ``publish`` has known how it stands.

    ``was_asked`` says whether a document was ever given by hand.
    """

    def __init__(
        self,
        loop: Loop,
        files: NodeFiles,
        store: DrainStore,
        ring: Callable[[], None],
        settle: Callable[[], None],
        publish: Callable[[], None],
    ) -> None:
        self.was_asked = False
        self._loop, self._files, self._store = loop, files, store
        self._ring, self._settle, self._publish = ring, settle, publish
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._waiting: list[tuple[Job, Document]] = []
        self._door = threading.Lock()
        self._closed = False

    def submit(self, job: Job) -> None:
        """Take a command, from any thread, and ring; after `close` it is refused."""
        with self._door:
            if not self._closed:
                self._jobs.put(job)
                self._ring()
                return
        job.fail(ending())

    def carry_out(self) -> None:
        """Carry out what was submitted."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._carry_out(self._jobs.get_nowait())

    @property
    def someone_waits(self) -> bool:
        """Whether somebody waits for the end of a trial."""
        return bool(self._waiting)

    def answer_waiting(self) -> None:
        """Tell those who wait for the end of a trial what became of it."""
        trial = self._loop.custody.intents.trial
        waiting, self._waiting = self._waiting, []
        for job, tried in waiting:
            if trial is not None and trial.document.digest == tried.digest:
                self._waiting.append((job, tried))
            else:
                job.end(**applying.verdict(self._loop, tried))

    def close(self) -> None:
        """Refuse what was not carried out, and what comes from now on.

        Nobody is there to take back what an order withdraws that ends later; of those that are over nothing is left.
        """
        with contextlib.suppress(StellwerkError):
            draining.forget_what_is_over(self._loop, self._store)
        with self._door:
            self._closed = True
        for job, _ in self._waiting:
            job.fail(
                StellwerkError("the daemon ends while this is on trial; `stellwerk status` says what there is now")
            )
        self._waiting.clear()
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait().fail(ending())

    def _carry_out(self, job: Job) -> None:
        deeds: dict[str, Callable[[Job], dict[str, Any] | None]] = {
            "apply": self._apply,
            "confirm": self._confirm,
            "rollback": self._roll_back,
            "suspend": self._suspend,
            "resume": self._resume,
            "reconcile": self._reconcile,
            "retry": self._retry,
            "drain": lambda job: self._drain(job, draining.drain),
            "undrain": lambda job: self._drain(job, draining.undrain),
        }
        deed = deeds.get(job.command)
        try:
            if deed is None:
                raise RefusedError(f"the daemon knows no command {job.command[:40]!r}")
            end = deed(job)
        except (StellwerkError, IntentError) as exc:
            self._publish()
            job.fail(exc)
            return
        except BaseException as exc:
            job.fail(StellwerkError(f"the daemon ends for a fault of its own ({type(exc).__name__}); its log shows it"))
            raise
        # Whoever asks for the status after the end sees what came of it.
        self._publish()
        if end is not None:
            job.end(**end)

    # Each deed returns the end of its answer, ``None`` where that comes later.

    def _apply(self, job: Job) -> dict[str, Any] | None:
        self.was_asked = True
        order = applying.order(job.request)
        told = applying.apply(self._loop, order, job.say)
        self._files.watch()
        if told["seconds_to_confirm"] is None or not told["checks"]:
            return told
        job.say({"event": "applied", **told})
        self._waiting.append((job, order.document))
        return None

    def _confirm(self, job: Job) -> dict[str, Any]:
        self._loop.confirm()
        self._settle()
        return {}

    def _roll_back(self, job: Job) -> dict[str, Any]:
        self._loop.roll_back()
        return self._status_after_a_turn()

    def _suspend(self, job: Job) -> dict[str, Any]:
        self._loop.suspend(*applying.suspension(job.request))
        return {}

    def _resume(self, job: Job) -> dict[str, Any]:
        self._loop.resume()
        return self._status_after_a_turn()

    def _reconcile(self, job: Job) -> dict[str, Any]:
        self._files.read()
        if job.request.get("allow_deletes"):
            self._loop.allow_deletes()
        else:
            self._loop.reconcile()
        return self._status_after_a_turn()

    def _retry(self, job: Job) -> dict[str, Any]:
        self._loop.retry()
        return self._status_after_a_turn()

    def _drain(self, job: Job, deed: Callable[[Loop, DrainStore, DrainRequest, bool], Deed]) -> dict[str, Any]:
        done = deed(self._loop, self._store, draining.requested(job.request), self._files.followed)
        self._settle()
        return draining.told(self._loop, done)

    def _status_after_a_turn(self) -> dict[str, Any]:
        self._settle()
        return {"status": status(self._loop)}
