"""Which of some files may have changed: told by inotify(7), and found by looking each second where that is missing."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import stat
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack

from reconciler.backends.bell import Bell
from reconciler.core.errors import BusyError

POLL_SECONDS = 1.0
MOST_RESTLESS_LOOKS = 30
"""A file that is another at each of so many looks is told all the same."""
MOST_LINKS = 40
"""As many symbolic links as the kernel follows on the way to one file (path_resolution(7))."""

# linux/inotify.h
IN_ATTRIB = 0x00000004
IN_CLOSE_WRITE = 0x00000008
IN_MOVED_FROM = 0x00000040
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_Q_OVERFLOW = 0x00004000
IN_IGNORED = 0x00008000
IN_ONLYDIR = 0x01000000
IN_DONT_FOLLOW = 0x02000000
IN_ISDIR = 0x40000000

# Not IN_MODIFY: a file that is being written is half a file until its writer closes it.
_CHANGES = IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
_EVENT = struct.Struct("=iIII")
_READ_BYTES = 1 << 16


class WatchedFiles(ABC):
    """Tells when what is found at some paths may have changed: content, rights, or a folder or link on the way.

    A file that is being written is told when its writer closes it, or, by looking, when it stays as it is; it may be
    told before where something else happens to it. A path need not exist. One that was not watched before is told once
    at the start, since it may have changed before the watch was there. What another machine changes on a network file
    system is not told by inotify, nor is a file system that is mounted over a folder.
    """

    @abstractmethod
    def watch(self, paths: Iterable[str]) -> None:
        """Watch these paths and no others."""

    @abstractmethod
    def fileno(self) -> int:
        """Return the file descriptor that is readable when there may be changes; it is the same until `close`."""

    @abstractmethod
    def read(self) -> frozenset[str]:
        """Return the paths, as they were given, that may have changed since they were last returned.

        Never waits for a change, and reads a bounded amount. Raises nothing.
        """

    @abstractmethod
    def close(self) -> None:
        """End the watch."""


def watched_files() -> WatchedFiles:
    """Return a watch on no file yet, by inotify where the system has it. Raises BusyError without file descriptors."""
    try:
        return InotifyFiles()
    except OSError:
        pass
    try:
        return PolledFiles()
    except OSError as exc:
        raise BusyError(f"watch files: {exc.strerror}; let the process open more files (ulimit -n)") from exc


class InotifyFiles(WatchedFiles):
    """Watches the folders on the way to each path, symbolic links followed; polls where no watch can be had."""

    def __init__(self) -> None:
        """Raises OSError when the kernel or the C library has no inotify, or gives no more of it."""
        self._folder = os.getcwd()
        with ExitStack() as opened:
            self._inotify = _Inotify()
            opened.callback(self._inotify.close)
            self._polled = PolledFiles()
            opened.callback(self._polled.close)
            self._started = Bell()
            opened.callback(self._started.close)
            # One descriptor for all three.
            self._epoll = select.epoll()
            opened.callback(self._epoll.close)
            for descriptor in (self._inotify.descriptor, self._polled.fileno(), self._started.fileno()):
                self._epoll.register(descriptor, select.EPOLLIN)
            self._opened = opened.pop_all()
        self._new: set[str] = set()
        self._unwatchable: set[str] = set()
        self._ways: dict[str, frozenset[tuple[int, str]]] = {}
        self._paths: dict[int, dict[str, set[str]]] = {}
        self._folders: dict[int, str] = {}

    def watch(self, paths: Iterable[str]) -> None:
        """Watch these paths and no others."""
        wanted = dict.fromkeys(paths)
        for path in self._ways.keys() - wanted.keys():
            self._leave(path)
        new = [path for path in wanted if path not in self._ways]
        for path in new:
            self._follow(path)
        self._polled.watch(self._unwatchable)
        if new:
            self._new.update(new)
            self._started.ring()

    def fileno(self) -> int:
        """Return the file descriptor that is readable when there may be changes."""
        return self._epoll.fileno()

    def read(self) -> frozenset[str]:
        """Return the paths that may have changed since they were last returned."""
        changed = self._new | self._polled.read()
        self._new = set()
        self._started.hush()
        moved: set[str] = set()
        for watch, mask, name in self._inotify.read():
            if mask & IN_Q_OVERFLOW:
                moved.update(self._ways)
            elif mask & IN_IGNORED:
                # The folder is gone, and so is the kernel's watch.
                moved.update(*self._paths.pop(watch, {}).values())
                self._folders.pop(watch, None)
            elif (hanging := self._paths.get(watch, {}).get(name)) and not self._is_told_later(watch, mask, name):
                moved |= hanging
        for path in moved:
            self._follow(path)
        if moved:
            self._polled.watch(self._unwatchable)
        return frozenset(changed | moved) & self._ways.keys()

    def close(self) -> None:
        """End the watch."""
        self._opened.close()

    def _is_told_later(self, watch: int, mask: int, name: str) -> bool:
        """Return whether there is a file now that is being written, so that its close is told."""
        if mask & (IN_ISDIR | IN_CLOSE_WRITE | IN_MOVED_TO):
            return False
        writing = is_being_written(os.path.join(self._folders[watch], name))
        return writing is True or (writing is None and bool(mask & IN_CREATE))

    def _follow(self, path: str) -> None:
        """Watch what is on the way to a path now, and no longer what was."""
        way, complete = self._way(path)
        for watch, name in way - self._ways.get(path, frozenset()):
            self._paths.setdefault(watch, {}).setdefault(name, set()).add(path)
        self._drop(path, self._ways.get(path, frozenset()) - way)
        self._ways[path] = way
        if complete:
            self._unwatchable.discard(path)
        else:
            self._unwatchable.add(path)

    def _leave(self, path: str) -> None:
        self._drop(path, self._ways.pop(path))
        self._unwatchable.discard(path)
        self._new.discard(path)

    def _drop(self, path: str, entries: Iterable[tuple[int, str]]) -> None:
        for watch, name in entries:
            names = self._paths.get(watch)
            if names is None:
                continue
            names[name].discard(path)
            if not names[name]:
                del names[name]
            if not names:
                del self._paths[watch]
                self._folders.pop(watch, None)
                self._inotify.remove(watch)

    def _way(self, path: str) -> tuple[frozenset[tuple[int, str]], bool]:
        """Watch each folder on the way to a path, and return its watches and the names in them that the path hangs on.

        Also return whether that is all of them. Each folder is watched before it is looked into, so that what changes
        after the look is told.
        """
        entries: set[tuple[int, str]] = set()
        complete = True
        folder, links = "/", 0
        rest = os.path.join(self._folder, path).split("/")[::-1]
        while rest:
            name = rest.pop()
            if name in ("", ".", ".."):
                folder = os.path.dirname(folder) if name == ".." else folder
                continue
            try:
                watch = self._inotify.add(folder)
                entries.add((watch, name))
                self._folders[watch] = folder
            except (FileNotFoundError, NotADirectoryError, ValueError):
                break
            except OSError:
                # No right to read the folder, or no watch left (fs.inotify.max_user_watches).
                complete = False
            target = _link(os.path.join(folder, name))
            if target is None:
                folder = os.path.join(folder, name)
                continue
            links += 1
            if links > MOST_LINKS:
                break
            folder = "/" if target.startswith("/") else folder
            rest += target.split("/")[::-1]
        return frozenset(entries), complete


class PolledFiles(WatchedFiles):
    """Looks at each file every `POLL_SECONDS` (stat(2)), in a thread of its own: a dead network mount holds up no one.

    What is undone between two looks is missed, and what leaves size and inode alone and comes within a clock tick, some
    milliseconds, of a look.
    """

    def __init__(self) -> None:
        """Raises OSError when no file descriptor is left."""
        self._bell = Bell()
        self._turn = threading.Condition()
        self._seen: dict[str, _Stamp | None] = {}
        self._restless: dict[str, tuple[_Stamp, int]] = {}
        self._changed: set[str] = set()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, paths: Iterable[str]) -> None:
        """Watch these paths and no others."""
        with self._turn:
            before = self._seen
            self._seen = {path: before.get(path) for path in paths}
            self._changed &= self._seen.keys()
            if self._seen and self._thread is None:
                self._thread = self._start()
            if self._seen.keys() - before.keys():
                self._turn.notify()

    def fileno(self) -> int:
        """Return the file descriptor that is readable when there may be changes."""
        return self._bell.fileno()

    def read(self) -> frozenset[str]:
        """Return the paths that may have changed since they were last returned."""
        with self._turn:
            self._bell.hush()
            changed, self._changed = frozenset(self._changed), set()
        return changed

    def close(self) -> None:
        """End the watch; the thread ends as soon as it can."""
        with self._turn:
            if not self._closed:
                self._closed = True
                self._bell.close()
                self._turn.notify()

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._look, name="watch-files", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system gives no thread now; the next call tries again.
            return None
        return thread

    def _look(self) -> None:
        self._turn.acquire()
        while not self._closed:
            paths = list(self._seen)
            self._turn.release()
            stamps = {path: _stamp(path) for path in paths}
            self._turn.acquire()
            self._compare(stamps)
            if not self._closed and None not in self._seen.values():
                self._turn.wait(POLL_SECONDS if self._seen else None)
        self._turn.release()

    def _compare(self, stamps: dict[str, _Stamp]) -> None:
        """Take note of what is not as it was. Locked."""
        changed = {path for path, stamp in stamps.items() if path in self._seen and self._rests_otherwise(path, stamp)}
        if changed and not self._closed:
            self._seen |= {path: stamps[path] for path in changed}
            self._changed |= changed
            self._bell.ring()

    def _rests_otherwise(self, path: str, stamp: _Stamp) -> bool:
        """Return whether a file is another than before, and stays so: one that is being written is half a file."""
        before = self._seen[path]
        last, looks = self._restless.pop(path, ((), 0))
        if stamp == before:
            return False
        is_there = len(stamp) > 1
        if before is None or not is_there or stamp == last or looks >= MOST_RESTLESS_LOOKS:
            return True
        self._restless[path] = (stamp, looks + 1)
        return False


class _Inotify:
    """The three system calls of inotify(7), which Python has no names for."""

    def __init__(self) -> None:
        try:
            # Late, and not everywhere: routers have Python in parts.
            import ctypes

            self._errno = ctypes.get_errno
            library = ctypes.CDLL(None, use_errno=True)
            self._add, self._remove = library.inotify_add_watch, library.inotify_rm_watch
            open_ = library.inotify_init1
        except (ImportError, AttributeError) as exc:
            raise OSError(errno.ENOSYS, f"inotify: {exc}") from exc
        self._add.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        self.descriptor: int = self._checked(open_(os.O_NONBLOCK | os.O_CLOEXEC))

    def add(self, folder: str) -> int:
        """Watch the names in a folder and return the number of the watch, the same if there is one.

        Raises OSError, and ValueError for what can be no path.
        """
        if "\0" in folder:
            raise ValueError("a path has no zero byte")
        mask = _CHANGES | IN_ONLYDIR | IN_DONT_FOLLOW
        return self._checked(self._add(self.descriptor, os.fsencode(folder), mask))

    def remove(self, watch: int) -> None:
        """End a watch; one that has ended with its folder is no error."""
        self._remove(self.descriptor, watch)

    def read(self) -> list[tuple[int, int, str]]:
        """Return the watch, the mask and the name in the folder of each event there is, within one buffer."""
        try:
            buffer = os.read(self.descriptor, _READ_BYTES)
        except OSError:
            return []
        events = []
        at = 0
        while at < len(buffer):
            watch, mask, _, length = _EVENT.unpack_from(buffer, at)
            at += _EVENT.size
            events.append((watch, mask, os.fsdecode(buffer[at : at + length].rstrip(b"\0"))))
            at += length
        return events

    def close(self) -> None:
        os.close(self.descriptor)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = self._errno()
            raise OSError(number, os.strerror(number))
        return result


_Stamp = tuple[int, ...]


def _stamp(path: str) -> _Stamp:
    """Return what tells a file from the same one changed; the error's number for one that cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError as exc:
        return (exc.errno or 0,)
    except ValueError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def is_being_written(path: str) -> bool | None:
    """Return whether somebody has a file open to write it, ``None`` where that cannot be said.

    What is no regular file, or has two names, is not being written: whoever writes a file has made it with one.
    """
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return False
    try:
        # A lease is not given on what is open to be written (F_SETLEASE of fcntl(2)). Whoever opens it just now waits
        # for the next line, and the signal that says so would end the process were it not one that is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as exc:
        return True if exc.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    # One that is made is told before its maker has it open; nobody has need of an empty one.
    return None if found.st_size == 0 else False


def _link(path: str) -> str | None:
    """Return where a symbolic link points, ``None`` for what is none or cannot be looked at."""
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return None
