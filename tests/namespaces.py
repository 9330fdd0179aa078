"""Network namespaces for tests, each held by a thread that lives in it.

Everything a backend uses of a namespace is that of the calling thread: sockets, /proc/sys/net (proc(5)) and what
child processes inherit. So a function runs in a namespace unpickled and with ordinary exceptions. The namespace has
no name in the file system: the kernel removes it, with its links, when the last test that uses it ends, however it
ends. `Namespace.path` names it for ``ip link set … netns PATH`` and ``nsenter --net=PATH``.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pickle
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import pytest

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
NOBODY = 65534
ANSWER_TIMEOUT_SECONDS = 120.0
_NUMBERS = itertools.count(1)


class Namespace:
    """A new network namespace, its loopback link up, until `close`."""

    def __init__(self) -> None:
        self.name = f"test-{os.getpid()}-{next(_NUMBERS)}"
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)
        self._thread.start()
        self._descriptor = self.run(_enter_new)
        try:
            self.ip("link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        """The path of the namespace, for as long as it is open, as seen by other processes too."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def run(self, work: Callable[[], T]) -> T:
        """Return what the function gives when it runs in this namespace, or raise what it raises."""
        if threading.current_thread() is self._thread:
            return work()
        answer: Future[T] = Future()
        self._work.put((work, answer))
        return answer.result(ANSWER_TIMEOUT_SECONDS)

    def run_without_rights(self, work: Callable[[], T]) -> T:
        """Return what the function gives in a child process of an ordinary user in this namespace.

        What it gives or raises has to be picklable.
        """
        return self.run(lambda: _in_child(work, NOBODY))

    def ip(self, *words: str) -> str:
        """Return what ``ip`` prints in this namespace. Raises CalledProcessError, with its words as a note."""
        return self.program("ip", *words)

    def program(self, *words: str) -> str:
        """Return what a program prints in this namespace. Raises CalledProcessError, with its words as a note."""
        done = self.run(lambda: subprocess.run(words, capture_output=True, text=True))
        try:
            done.check_returncode()
        except subprocess.CalledProcessError as exc:
            exc.add_note(f"{' '.join(words)}: {done.stderr.strip()}")
            raise
        return done.stdout

    def cable(self, name: str, other: Namespace, other_name: str) -> None:
        """Join the two namespaces by a veth pair, both ends up."""
        self.ip("link", "add", name, "type", "veth", "peer", "name", other_name, "netns", other.path)
        self.ip("link", "set", name, "up")
        other.ip("link", "set", other_name, "up")

    def close(self) -> None:
        """Leave the namespace: the kernel removes it as soon as no process and no socket is in it."""
        self._work.put(None)
        self._thread.join(ANSWER_TIMEOUT_SECONDS)
        os.close(self._descriptor)

    def _live(self) -> None:
        while (task := self._work.get()) is not None:
            work, answer = task
            try:
                answer.set_result(work())
            except BaseException as exc:  # noqa: BLE001 - it goes to the caller, as from any call
                answer.set_exception(exc)


def _in_child(work: Callable[[], T], user: int) -> T:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            with open(writing, "wb") as pipe:
                pickle.dump(_outcome(work), pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with status {status}"
    result, error = pickle.loads(told)
    if error is not None:
        raise error
    return cast(T, result)


def _outcome(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as exc:  # noqa: BLE001 - it goes to the caller, as from any call
        return None, exc


def _enter_new() -> int:
    # unshare(2) moves the calling thread alone. os.unshare came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def namespaces(count: int) -> Iterator[tuple[Namespace, ...]]:
    """Give that many new namespaces and remove them all, whatever happens."""
    opened: list[Namespace] = []
    try:
        for _ in range(count):
            opened.append(Namespace())
        yield tuple(opened)
    finally:
        for namespace in opened:
            namespace.close()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A new network namespace for one test."""
    with namespaces(1) as (opened,):
        yield opened
