"""The errors of the reconciler.

::

    StellwerkError
    ├── RefusedError            a conflict or a guard: nothing was changed
    ├── RolledBackError         too late: what was to be kept is undone
    │   ├── DamagedStateError   a file that is kept between runs cannot be understood
    │   └── LockedError         another process has the right to change the node
    ├── VersionError            a file that is kept between runs was written by another version
    └── BackendError            a look or a change that a backend could not make
        ├── UnsupportedError    the kernel or daemon lacks what is asked for; trying again does not help
        ├── DeniedError         rights are missing
        ├── RejectedError       the request was understood and is not possible as it stands
        ├── StaleError          the object or what it stands on is gone: look again
        ├── OccupiedError       something else holds the name, address or port
        ├── BusyError           not now: trying again can help
        ├── UnreachableError    the daemon does not run, does not answer, or answers garbage
        └── UnrecordedError     the inventory cannot be written, and the object could not be known for ours without

Whether to try again is a property of the type (`retry_helps`), decided here and nowhere else.
"""

from __future__ import annotations

from typing import ClassVar


class StellwerkError(Exception):
    """Base of all errors that a user is told about; its text says what happened, to what, and what to do."""


class RefusedError(StellwerkError):
    """A conflict or a safety guard stopped the change before anything was touched."""


class DamagedStateError(RefusedError):
    """A file that is kept between runs cannot be understood; ``name`` is the file's, without its folder."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name


class LockedError(RefusedError):
    """Another process has the right to change the node."""


class VersionError(StellwerkError):
    """A whole file that is kept between runs was written by another version of Stellwerk."""


class RolledBackError(StellwerkError):
    """What was to be kept was undone already, or is being undone."""


class BackendError(StellwerkError):
    """A backend could not look or could not make a change."""

    retry_helps: ClassVar[bool] = False


class UnsupportedError(BackendError):
    """The kernel or the daemon lacks what is asked for."""


class DeniedError(BackendError):
    """The rights for the change are missing."""


class RejectedError(BackendError):
    """The request was understood and is not possible as it stands."""


class StaleError(BackendError):
    """The object, or what it stands on, is gone since the look."""

    retry_helps = True


class OccupiedError(BackendError):
    """Something that is not ours holds the name, the address or the port."""

    retry_helps = True


class BusyError(BackendError):
    """The kernel or the daemon cannot do it now."""

    retry_helps = True


class UnreachableError(BackendError):
    """The daemon does not run, does not answer in time, or answers what it should not."""

    retry_helps = True


class UnrecordedError(BackendError):
    """What only the inventory would know to be ours could not be written down, and so was not made."""

    retry_helps = True
