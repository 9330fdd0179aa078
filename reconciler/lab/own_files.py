"""The files that a node of a lab writes, or finds written for it, and where they may be. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from intent.document import Node
from intent.features.mesh import Mesh

RUN = "/run"
_MACHINES: Final = frozenset(
    [
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/proc",
        "/root",
        "/sbin",
        "/sys",
        "/tmp",  # noqa: S108
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/usr/local",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/share",
        "/var",
        "/var/lib",
        "/var/tmp",  # noqa: S108
    ]
)
"""Folders that places share with the machine: one of a place's own over them would hide what everybody needs."""
_KERNELS: Final = ("/dev/", "/proc/", "/sys/")


def babelds_of(node: Node) -> set[str]:
    """Return the files that a node's babeld has: its configuration and its socket."""
    mesh = node.get(Mesh)
    if mesh is None:
        return set()
    return {path for path in (mesh.babeld.config, mesh.babeld.socket) if path.startswith("/")}


def folder_of(path: str) -> str:
    """Return the folder of a file, with ``/var/run`` under its other name."""
    folder = os.path.dirname(os.path.normpath(path))
    return RUN + folder.removeprefix("/var/run") if is_below(folder, "/var/run") else folder


def is_below(folder: str, other: str) -> bool:
    """Return whether a folder is the other, or inside it."""
    return folder == other or folder.startswith(f"{other}/")


def folders_of(paths: Iterable[str]) -> list[str]:
    """Return the folders of files that a place is to write itself, those that stand in others last."""
    return sorted({folder_of(path) for path in paths})


def problem(path: str, lasts: bool) -> str | None:
    """Return what is wrong with where a file is, which is to last over the loss of power where ``lasts``."""
    folder = folder_of(path)
    if folder in _MACHINES or folder.startswith(_KERNELS) or (lasts and is_below(folder, RUN)):
        return f"`{path}` is in a folder that a node of a lab cannot have for itself"
    return None


ADVICE = "put it into one of its own, such as `/etc/stellwerk`"
