"""Making, keeping and entering namespaces (namespaces(7)), and the mounts inside them (mount(2)).

Python has `os.setns` and `os.unshare` from 3.12 on; here libc is called.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.core.errors import DeniedError, StellwerkError

NEWNS: Final = 0x00020000
NEWUTS: Final = 0x04000000
NEWUSER: Final = 0x10000000
NEWPID: Final = 0x20000000
NEWNET: Final = 0x40000000

MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_NOSUID: Final = 2
MS_NODEV: Final = 4

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give this process new namespaces (unshare(2)). Raises OSError."""
    if _libc.unshare(flags) != 0:
        raise _error("unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter a namespace of that kind (setns(2)). Raises OSError."""
    if _libc.setns(descriptor, kind) != 0:
        raise _error("setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount (mount(2)). Raises OSError."""
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()) != 0:
        raise _error(f"mount on {target}")


def set_host_name(name: str) -> None:
    """Name the host of this UTS namespace. Raises OSError."""
    text = name.encode()
    if _libc.sethostname(text, len(text)) != 0:
        raise _error("sethostname")


def _error(deed: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{deed}: {os.strerror(number)}")


def become_root_of_new_namespaces() -> None:
    """Move this process into new mount and network namespaces, and its children into a process namespace.

    Where it is not root, into a user namespace first. Raises DeniedError where that is not allowed, StellwerkError.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        if user != 0:
            unshare(NEWUSER)
            _map(user, group)
        unshare(NEWNS | NEWNET | NEWPID)
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.EACCES, errno.ENOSPC):
            raise StellwerkError(f"this kernel cannot make the namespaces of a lab: {exc.strerror}") from exc
        # ENOSPC is a limit that was reached, such as that of 0 by which an administrator forbids it.
        raise DeniedError(_advice(user)) from exc


def _map(user: int, group: int) -> None:
    """Be root inside the new user namespace, and the same user outside (user_namespaces(7)). Raises OSError."""
    for name, words in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(words)


def _advice(user: int) -> str:
    if user == 0:
        return (
            "root may make no namespaces here: in a container, give it the right to (CAP_SYS_ADMIN), and see the "
            "limits below /proc/sys/user"
        )
    return (
        "a user may make no namespaces here; run it as root, or allow it: "
        "`sysctl user.max_user_namespaces`, on some systems also `kernel.unprivileged_userns_clone=1` or "
        "`kernel.apparmor_restrict_unprivileged_userns=0`"
    )


@dataclass(slots=True)
class Place:
    """Where programs run in a lab: descriptors of its network, mount and host name namespaces, and of its /run."""

    name: str
    net: int
    mnt: int
    uts: int
    run: int

    def close(self) -> None:
        """Let go of the namespaces: the kernel removes them as soon as no process and no socket is in them."""
        for descriptor in (self.net, self.mnt, self.uts, self.run):
            os.close(descriptor)

    def enter(self) -> None:
        """Move this process into it, for good. Raises OSError."""
        setns(self.net, NEWNET)
        setns(self.uts, NEWUTS)
        setns(self.mnt, NEWNS)
        os.chdir("/")

    @property
    def path(self) -> str:
        """The path of the network namespace, inside the lab's process namespace whose first process holds it."""
        return f"/proc/1/fd/{self.net}"

    @property
    def files(self) -> str:
        """The path of the place's /run, for this process."""
        return f"/proc/self/fd/{self.run}"


@contextlib.contextmanager
def network_of(place: Place, home: int) -> Iterator[None]:
    """Be in a place's network namespace, and then in ``home`` again. Raises OSError."""
    setns(place.net, NEWNET)
    try:
        yield
    finally:
        setns(home, NEWNET)


def of_process(pid: int | str, kind: str) -> int:
    """Return a descriptor of a process's namespace, such as ``net``. Raises OSError."""
    return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
