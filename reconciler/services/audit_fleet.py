"""Hold the snapshots of many nodes against what a fleet says that they should be, on all processors at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from intent.document import Node
from intent.durations import spelled
from intent.fleet import FLEET_FILE
from intent.fleet.repository import read_fleet
from intent.loading import load
from intent.problems import IntentError
from reconciler.core.audit import Finding, NodeAudit, Severity, State
from reconciler.core.errors import StellwerkError
from reconciler.core.snapshot import Snapshot
from reconciler.services.auditing import audited, invalid, unknown
from reconciler.services.fleet_workers import in_processes, processors
from reconciler.services.snapshots import of_file

AHEAD_SECONDS = 300
"""How far in the future a snapshot may seem to be: clocks differ."""


@dataclass(frozen=True)
class Intents:
    """What nodes should be: a name for all of them, their names, the file of each, and how to read it.

    ``read`` raises IntentError.
    """

    name: str
    files: Mapping[str, str]
    read: Callable[[str], Node]


def intents(folder: str) -> Intents:
    """Return what a fleet's repository says, or a folder of node files. Raises IntentError, StellwerkError."""
    place = Path(folder)
    if (place / FLEET_FILE).exists():
        fleet = read_fleet(folder)
        files = {name: str(place / "nodes" / f"{name}.yaml") for name in fleet.nodes}
        return Intents(fleet.name, files, lambda name: fleet.render(name).node)
    try:
        files = {one.stem: str(one) for one in sorted(place.glob("*.yaml"))}
    except OSError as exc:
        raise StellwerkError(f"{folder} cannot be read: {exc.strerror or exc}") from exc
    if not files:
        raise StellwerkError(f"{folder} has neither {FLEET_FILE} nor node files NAME.yaml")
    return Intents(place.resolve().name, files, lambda name: load(files[name]))


def audited_fleet(wanted: Intents, snapshots: Path, now: float, older_than: int | None) -> Iterator[NodeAudit]:
    """Yield how each node is, in no certain order, and then snapshots of nodes that nobody knows."""

    def work(name: str) -> NodeAudit:
        return _audited(name, wanted, snapshots / f"{name}.json", now, older_than)

    for _, one in in_processes(work, list(wanted.files), processors()):
        yield one
    for path in sorted(snapshots.glob("*.json")):
        if path.stem not in wanted.files:
            yield _unknown_node(path)


def stale(snapshot: Snapshot, now: float, older_than: int | None) -> str:
    """Return why a snapshot is not of now, nothing where it is, or where its age does not matter."""
    age = now - snapshot.taken
    if age < -AHEAD_SECONDS:
        return f"snapshot: it was taken {spelled(int(-age))} from now; is one of the clocks wrong?"
    if older_than is None or age <= older_than:
        return ""
    return f"snapshot: it is {spelled(int(age))} old, and at most {spelled(older_than)} was asked for"


def _audited(name: str, wanted: Intents, path: Path, now: float, older_than: int | None) -> NodeAudit:
    file = wanted.files[name]
    try:
        node = wanted.read(name)
    except IntentError as exc:
        return invalid(name, file, exc)
    try:
        if not path.exists():
            return unknown(name, file, f"there is no snapshot {path}; take one with `stellwerk snapshot`")
        snapshot = of_file(path)
    except (OSError, StellwerkError) as exc:
        return unknown(name, file, str(exc), str(path))
    return audited(node, snapshot, str(path), stale(snapshot, now, older_than))


def _unknown_node(path: Path) -> NodeAudit:
    finding = Finding(
        "unknown-node",
        Severity.MINOR,
        f"node {path.stem}",
        "there is a snapshot of it, and the fleet does not know it",
        "write it into the fleet, or remove the snapshot",
    )
    return NodeAudit(path.stem, str(path), seen=str(path), findings=(finding,), state=State.DIFFERS)
