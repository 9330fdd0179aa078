"""What Stellwerk keeps on disk between runs, and a lock so that two never act at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from reconciler.backends.atomic_files import replace_file, sync_folder
from reconciler.backends.state_folder_errors import refused
from reconciler.backends.state_folder_files import (
    DRAINS,
    FORMS,
    HEALTH,
    INTENTS,
    INVENTORY,
    SUSPENSION,
    Form,
    Value,
    read,
    write,
)
from reconciler.backends.state_folder_lock import Role, held_by_a_daemon, locked
from reconciler.core.drains import Drains
from reconciler.core.intents import Intents
from reconciler.core.inventory import Inventory
from reconciler.core.known_health import KnownHealth
from reconciler.core.suspension import Suspension

MOST_SET_ASIDE = 3
"""How many damaged files of one name are kept: the first ones, which show the beginning, and the latest."""


class StateFolder:
    """The folder with what is known about this node; it is made, with mode 0700, at the first write.

    Each ``load`` raises DamagedStateError for a file that is not as it was saved, VersionError for a whole one of
    another version, and other StellwerkErrors; each ``save`` raises StellwerkError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> Inventory:
        """Return the inventory, a lost one when there is none."""
        found = read(self.folder, INVENTORY)
        return Inventory(lost=True) if found is None else found

    def save(self, inventory: Inventory) -> None:
        """Keep the inventory so that it survives a crash from the moment this returns."""
        self._write(INVENTORY, inventory)

    def load_intents(self) -> Intents:
        """Return the intents, empty ones when there are none."""
        found = read(self.folder, INTENTS)
        return Intents() if found is None else found

    def save_intents(self, intents: Intents) -> None:
        """Keep the intents so that they survive a crash from the moment this returns."""
        self._write(INTENTS, intents)

    def load_suspension(self) -> Suspension | None:
        """Return the suspension, ``None`` when there is none. Who cannot read it does best to change nothing."""
        return read(self.folder, SUSPENSION)

    def save_suspension(self, suspension: Suspension | None) -> None:
        """Keep the suspension, or lift it, damaged or not; that survives a crash from the moment this returns."""
        if suspension is not None:
            self._write(SUSPENSION, suspension)
            return
        path = self.folder / SUSPENSION.name
        try:
            path.unlink()
            sync_folder(str(self.folder))
        except FileNotFoundError:
            return
        except OSError as exc:
            raise refused(f"{path} cannot be removed", exc) from exc

    def load_drains(self) -> Drains:
        """Return what an operator has drained, nothing when there is no file."""
        found = read(self.folder, DRAINS)
        return Drains() if found is None else found

    def save_drains(self, drains: Drains) -> None:
        """Keep what an operator has drained so that it survives a crash from the moment this returns."""
        self._write(DRAINS, drains)

    def load_health(self) -> KnownHealth:
        """Return what is known of the things with checks, nothing when there is no file."""
        found = read(self.folder, HEALTH)
        return KnownHealth() if found is None else found

    def save_health(self, health: KnownHealth) -> None:
        """Keep what is known of the things with checks."""
        self._write(HEALTH, health)

    def watched(self) -> bool:
        """Return whether a daemon runs, which keeps what is known of the things with checks current."""
        return held_by_a_daemon(self.folder / "lock")

    def set_aside(self, name: str) -> Path:
        """Move a damaged file to ``NAME.damaged-N``, so that there is none, and return where it is.

        Raises ValueError for a name that is not one of the files that are loaded here, StellwerkError.
        """
        path, place = self.folder / name, self._aside(name)
        try:
            os.rename(path, place)
            sync_folder(str(self.folder))
        except OSError as exc:
            raise refused(f"{path} cannot be moved to {place}", exc) from exc
        return place

    def copy_aside(self, name: str) -> Path:
        """Copy a damaged file to ``NAME.damaged-N``, and return where that is: another can take its place then.

        Raises ValueError for a name that is not one of the files that are loaded here, StellwerkError.
        """
        path, place = self.folder / name, self._aside(name)
        try:
            replace_file(str(place), path.read_bytes(), 0o600)
        except OSError as exc:
            raise refused(f"{path} cannot be copied to {place}", exc) from exc
        return place

    def _aside(self, name: str) -> Path:
        if name not in [form.name for form in FORMS]:
            raise ValueError(f"{name} is no file that is loaded from the state folder")
        places = [self.folder / f"{name}.damaged-{number}" for number in range(1, MOST_SET_ASIDE + 1)]
        return next((one for one in places if not os.path.lexists(one)), places[-1])

    @contextlib.contextmanager
    def locked(self, *, role: Role = "apply", wait_seconds: float = 0) -> Iterator[None]:
        """Hold the right to change the node, waiting for it so long at most; it ends with the process.

        Raises LockedError, which says who has it, when another does.
        """
        path = self.folder / "lock"
        try:
            self._make_folder()
        except OSError as exc:
            raise refused(f"{path} cannot be opened", exc) from exc
        with locked(path, role, wait_seconds):
            yield

    def _write(self, form: Form[Value], value: Value) -> None:
        try:
            self._make_folder()
            write(self.folder, form, value)
        except OSError as exc:
            deed = f"{self.folder / form.name} cannot be written (nothing was changed that it would have to record)"
            raise refused(deed, exc) from exc

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
