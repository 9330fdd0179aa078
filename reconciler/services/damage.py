"""What a daemon does about damaged files of the state folder: it goes on without them, and a suspension goes on."""

from __future__ import annotations

from reconciler.backends.state_folder import StateFolder
from reconciler.core.clock import Clock
from reconciler.core.errors import DamagedStateError, StellwerkError
from reconciler.core.suspension import Suspension
from reconciler.core.telling import log


def set_damage_aside(state: StateFolder, clock: Clock) -> list[tuple[str, str]]:
    """Set the damaged files aside, as far as the disk allows it; return why, and what became of it, for each.

    Raises StellwerkError for what is no damage: a file that cannot be read, or is of another version.
    """
    found = []
    for name, read in (
        ("inventory.json", state.load),
        ("intents.json", state.load_intents),
        ("suspension.json", state.load_suspension),
        ("drains.json", state.load_drains),
        ("health.json", state.load_health),
    ):
        try:
            read()
        except DamagedStateError as exc:
            outcome = _set_aside(state, name, clock)
            log.error("damaged", extra={"fact": {"because": str(exc), "outcome": outcome}})
            found.append((f"{name} was damaged", outcome))
    return found


def _set_aside(state: StateFolder, name: str, clock: Clock) -> str:
    """Return what became of a damaged file."""
    try:
        if name != "suspension.json":
            return f"moved to {state.set_aside(name)}"
        # Somebody wanted nothing changed, which is more likely still so than not: at no moment is there no suspension.
        place = state.copy_aside(name)
        reason = f"changes were suspended, and the file that says why is damaged: {place}"
        state.save_suspension(Suspension(reason, clock.wall(), None, clock.boot()))
    except StellwerkError as exc:
        return f"it is left as it is: {exc}"
    return f"moved to {place}"
