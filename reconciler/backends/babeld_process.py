"""Which process speaks at babeld's socket, and which files it was started with (proc(5)).

All of it is a courtesy of the system: in another process namespace, or without rights, nothing is seen, and then
nothing is said.
"""

from __future__ import annotations

import getopt
import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from intent.resources.babel_configuration import exits_refused_in_part
from intent.resources.babel_wire import ConfigurationFile
from intent.resources.file import MARK

_OPTIONS = "m:p:h:H:i:k:A:srS:d:g:G:lwz:M:t:T:c:C:DL:I:VuF:"
_DEFAULT_FILE = "/etc/babeld.conf"
_LISTENING = "0A"
_CREDENTIALS = struct.Struct("iII")
_START_TIME_FIELD = 19  # of /proc/PID/stat, counted from the field after the name

Identity = tuple[int, int | None]
"""A process id, and when that process started, in ticks: ids are used again."""

_CLOCK_SLACK_SECONDS = 0.02
"""A start is known to 1/100 s, a file's time to a kernel tick: what is this close was read at that start."""


def process_behind(endpoint: socket.socket) -> int | None:
    """Return the process id of the one that listens at a connected socket, None when it cannot be seen."""
    if endpoint.family == socket.AF_UNIX:
        found = endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(found)[0]) or None
    inode = _listening_inode(endpoint.getpeername()[1])
    return None if inode is None else _holder(f"socket:[{inode}]")


def identity_behind(endpoint: socket.socket) -> Identity | None:
    """Return which process listens at a connected socket, None when it cannot be seen."""
    pid = process_behind(endpoint)
    return None if pid is None else (pid, ticks_at_start(pid))


def _listening_inode(port: int) -> str | None:
    try:
        # Of this thread: /proc/net is that of the process, which may be in another network namespace.
        lines = Path("/proc/thread-self/net/tcp6").read_text().splitlines()[1:]
    except OSError:
        return None
    for fields in map(str.split, lines):
        if len(fields) > 9 and fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
            return fields[9]
    return None


def _holder(link: str) -> int | None:
    processes = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    # Its name makes the search short; under another name it is found at the end.
    processes.sort(key=lambda pid: not _name(pid).startswith("babeld"))
    return next((pid for pid in processes if link in _descriptors(pid)), None)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _descriptors(pid: int) -> Iterable[str]:
    folder = f"/proc/{pid}/fd"
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for entry in entries:
        try:
            yield os.readlink(f"{folder}/{entry}")
        except OSError:
            continue


def started_with(pid: int) -> tuple[ConfigurationFile, ...] | None:
    """Return the configuration files of a running babeld, None when they cannot be known."""
    try:
        command = _command(pid)
        start = _since_epoch(_ticks(Path(f"/proc/{pid}/stat").read_text()))
        paths = configuration_paths(command)
        if paths is None:
            return None
        absolute = [_absolute(path, pid) for path in paths]
    except (OSError, ValueError, IndexError):
        return None
    return tuple(ConfigurationFile(path, _unchanged(path, start)) for path in absolute)


def _absolute(path: str, pid: int) -> str:
    """Return a path as the process sees it. Raises OSError where its folder matters and cannot be seen."""
    # Another's folder is seen only with all the capabilities that it has (ptrace(2)): a daemon has fewer than root.
    return os.path.normpath(path if os.path.isabs(path) else os.path.join(os.readlink(f"/proc/{pid}/cwd"), path))


def configured_interfaces(pid: int, files: Iterable[ConfigurationFile]) -> frozenset[str] | None:
    """Return the interfaces that a running babeld was started with, None when they cannot be known."""
    try:
        command = _parsed(_command(pid))
        if command is None:
            return None
        options, names = command
        lines = [value for option, value in options if option == "-C"]
        for file in files:
            content = Path(file.path).read_bytes()
            if not file.current and not content.startswith(MARK):
                # Another one was there at the start. Of ours none ever names an interface that exists.
                return None
            lines += os.fsdecode(content).splitlines()
    except OSError:
        return None
    return frozenset(names).union(_named(line) for line in lines)


def exits_configured(files: Iterable[ConfigurationFile]) -> frozenset[str]:
    """Return the exit prefixes of the mesh in our part of a babeld's configuration, none where it is unseen."""
    found: set[str] = set()
    for file in files:
        try:
            content = Path(file.path).read_bytes()
        except OSError:
            continue
        if content.startswith(MARK):
            found |= exits_refused_in_part(content)
    return frozenset(found)


def _named(line: str) -> str:
    """Return the interface that a line of configuration adds, which is ``""`` for most lines."""
    words = line.split()
    return words[1].strip('"') if len(words) > 1 and words[0] == "interface" else ""


def configuration_paths(command: list[str]) -> list[str] | None:
    """Return the files that a command line makes babeld read, None when it is not babeld's."""
    parsed = _parsed(command)
    if parsed is None:
        return None
    return [value for option, value in parsed[0] if option == "-c"] or [_DEFAULT_FILE]


def _command(pid: int) -> list[str]:
    return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]


def _parsed(command: list[str]) -> tuple[list[tuple[str, str]], list[str]] | None:
    """Return the options and the interfaces of babeld's command line, None when it is not babeld's."""
    if not command or not os.path.basename(command[0]).startswith("babeld"):
        return None
    try:
        return getopt.gnu_getopt(command[1:], _OPTIONS)
    except getopt.GetoptError:
        return None


def ticks_at_start(pid: int) -> int | None:
    """Return when the process started, in clock ticks since the boot, None when it cannot be seen."""
    try:
        return _ticks(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError, IndexError):
        return None


def _ticks(stat: str) -> int:
    return int(stat.rpartition(")")[2].split()[_START_TIME_FIELD])


def _since_epoch(ticks: int) -> float:
    """Return the time of day by today's clock, which may have been set since the boot."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def _unchanged(path: str, start: float) -> bool:
    try:
        changed = os.stat(path).st_mtime
    except OSError:
        return False
    # A time to come was written by a clock that has been set back since: it says nothing.
    return changed <= start + _CLOCK_SLACK_SECONDS or changed > time.time()
