"""Work on many names in processes beside this one: for what computes, on every processor that there is."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from typing import Any, Generic, TypeVar

from reconciler.core.errors import StellwerkError

Result = TypeVar("Result")

AT_ONCE = 32
"""How many names a process is given at a time: telling costs little beside the work, and none waits long at the end."""


class WorkerDiedError(StellwerkError):
    """A process that worked on a name ended without a result, twice."""


@dataclass(slots=True)
class _Worker(Generic[Result]):
    process: ForkProcess
    pipe: connection.Connection[Any, Any]
    names: Sequence[str]
    """What it was given and has not answered yet."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def in_processes(work: Callable[[str], Result], names: Sequence[str], count: int) -> Iterator[tuple[str, Result]]:
    """Yield each name with what ``work`` returns for it, as they become ready, from up to ``count`` processes.

    The processes are copies of this one: ``work`` sees what is known here, and only results come back. One that is
    killed is replaced; where no process can be made, the work is done here. None is left in the end, however it comes.

    Raises WorkerDiedError where a process dies of one name.
    """
    pending = deque(tuple(names[first : first + AT_ONCE]) for first in range(0, len(names), AT_ONCE))
    workers: list[_Worker[Result]] = []
    try:
        while pending or workers:
            while pending and len(workers) < count:
                if not _start(work, workers, pending[0]):
                    break
                pending.popleft()
            if not workers:
                yield from ((name, work(name)) for name in pending.popleft())
                continue
            for worker in _answering(workers):
                try:
                    results = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    pending.extendleft((name,) for name in _not_done(worker))
                    continue
                yield from zip(worker.names, results, strict=True)
                if not pending or not _give(worker, pending.popleft(), pending):
                    workers.remove(worker)
                    _end(worker)
    finally:
        for worker in workers:
            _end(worker)


def _answering(workers: Sequence[_Worker[Result]]) -> list[_Worker[Result]]:
    """Wait until some of the workers have answered, or died, and return them."""
    ready = connection.wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in ready]


def _start(work: Callable[[str], Result], workers: list[_Worker[Result]], names: Sequence[str]) -> bool:
    """Start a process and give it names; return whether there could be one more."""
    here, there = connection.Pipe()
    others = [worker.pipe for worker in workers]
    process = get_context("fork").Process(target=_serve, args=(there, [here, *others], work), daemon=True)
    # A Ctrl-C is for the process that the user started, which ends the others.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        process.start()
    except OSError:
        here.close()
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        there.close()
    worker = _Worker[Result](process, here, names)
    workers.append(worker)
    with suppress(OSError):
        # Whether it is dead already is seen when its answer is read.
        here.send(names)
    return True


def _give(worker: _Worker[Result], names: Sequence[str], pending: deque[tuple[str, ...]]) -> bool:
    """Give a worker more names; return whether it took them. Else they are pending as before."""
    try:
        worker.pipe.send(names)
    except OSError:
        pending.appendleft(tuple(names))
        return False
    worker.names = names
    return True


def _not_done(worker: _Worker[Result]) -> Sequence[str]:
    """Return what a worker was doing when it died, to be tried again name by name. Raises WorkerDiedError."""
    _end(worker, kill=False)
    code = worker.process.exitcode or 0
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if len(worker.names) > 1 and code < 0:
        return worker.names
    hint = "; is there enough memory?" if code == -signal.SIGKILL else ""
    raise WorkerDiedError(f"the process that worked on {worker.names[0]} ended with {how}{hint}")


def _end(worker: _Worker[Result], kill: bool = True) -> None:
    worker.pipe.close()
    if kill:
        worker.process.kill()
    worker.process.join()


def _serve(
    pipe: connection.Connection[Any, Any],
    others: Sequence[connection.Connection[Any, Any]],
    work: Callable[[str], Result],
) -> None:
    """Answer until nobody asks any more: also where who asked was killed, and could not say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
    for other in others:
        # As long as one process has the other end of a pipe, it is not seen to be closed.
        other.close()
    with suppress(EOFError, ConnectionError):
        while True:
            names = pipe.recv()
            pipe.send([work(name) for name in names])
