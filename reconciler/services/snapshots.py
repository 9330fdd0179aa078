"""Take a snapshot of this node, and read one from a file: nothing is changed, and no rights but to read are needed."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from intent.digest import digest
from intent.document import Node
from intent.expansion import references
from intent.loading import loads
from intent.problems import IntentError
from intent.references import (
    AgePresharedKey,
    AgePrivateKey,
    PresharedKeyFile,
    PrivateKeyFile,
    Reference,
    ResolvedKey,
)
from intent.resources.file import KeyFile
from intent.resources.nftables_table import NftTable
from intent.resources.route import Route
from intent.resources.sysctl import Sysctl
from intent.resources.wireguard_peer import WireGuardPeer
from reconciler.backends.age_files import identity_path
from reconciler.backends.references import Resolvers
from reconciler.core.backend import Partitions
from reconciler.core.commits import Commit
from reconciler.core.desired import Desired
from reconciler.core.errors import BackendError, StellwerkError
from reconciler.core.intents import Document, Intents
from reconciler.core.inventory import Inventory
from reconciler.core.observe import Observer, looked_at
from reconciler.core.snapshot import MOST_BYTES, DamagedSnapshotError, Snapshot, read
from reconciler.services.audit_references import expanded
from reconciler.services.snapshot_references import spelled, told
from reconciler.services.this_node import ThisNode

FORWARDING = ("net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/forwarding")


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept about the node on disk, as far as it may be read."""

    inventory: Inventory
    intents: Intents
    history: str
    unseen: Mapping[str, BackendError]


@dataclass(frozen=True, slots=True)
class _Known:
    """The values of references, and why some are not known."""

    values: Mapping[Reference[Any], Any]
    problems: Mapping[Reference[Any], str]
    notes: tuple[str, ...]


def take(here: ThisNode, wall: float, node: Node | None = None) -> Snapshot:
    """Return what this node has at that time (seconds since 1970).

    References are those of ``node``, else of the document that the node is held at.
    """
    kept = _kept(here)
    held, unseen = kept.intents.adopted, dict(kept.unseen)
    if node is None and held is not None:
        try:
            node = loads(held.text, held.name)
        except IntentError:
            unseen["held document"] = BackendError("the document that the node is held at is not valid any more")
    wanted = () if node is None else references(node)
    known = _resolved(here.resolvers, wanted)
    unseen |= {words_of(one): BackendError(why) for one, why in known.problems.items()}
    asked = None if node is None else expanded(node, known.values, known.problems)
    desired = Desired() if asked is None else Desired({**asked.desired.by_key, **asked.doubtful})
    besides = _besides(wanted)
    observation = Observer(here.backends, besides).look(desired, kept.inventory)
    return Snapshot(
        node="" if node is None else node.name,
        host=socket.gethostname(),
        taken=wall,
        stellwerk=version("stellwerk"),
        observation=replace(observation, unseen={**observation.unseen, **unseen}, unsettled=None),
        looked_at=looked_at(desired, kept.inventory, besides),
        digest=held.digest if held is not None else "",
        commit=_commit(held),
        history=kept.history,
        references={spelled(one): told(one, _steady(one, value)) for one, value in known.values.items()},
        notes=known.notes,
    )


def of_file(path: Path) -> Snapshot:
    """Return the snapshot in a file. Raises DamagedSnapshotError, which names it, and StellwerkError."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StellwerkError(f"{path} is no regular file, and so no snapshot")
            data = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise StellwerkError(f"the snapshot {path} cannot be read: {exc.strerror or exc}") from exc
    try:
        return read(data)
    except DamagedSnapshotError as exc:
        raise DamagedSnapshotError(f"{path}: {exc}") from exc


def digest_of(node: Node) -> str:
    """Return the digest of what a node's document means."""
    return digest(node)


def _kept(here: ThisNode) -> _Kept:
    unseen: dict[str, BackendError] = {}
    inventory, intents, history = Inventory(), Intents(), ""
    try:
        # What a lost one would have searched is looked at in any case, and what may not be looked at is told then.
        inventory = replace(here.state.load(), lost=False)
        intents = here.state.load_intents()
    except StellwerkError as exc:
        unseen["state folder"] = BackendError(f"what is kept about this node cannot be read: {exc}")
    try:
        head = here.history().head()
        history = "" if head is None else str(head)
    except StellwerkError as exc:
        unseen["history"] = BackendError(f"the head of the history cannot be read: {exc}")
    return _Kept(inventory, intents, history, unseen)


def _resolved(resolvers: Resolvers, wanted: Iterable[Reference[Any]]) -> _Known:
    wanted = tuple(wanted)
    try:
        all_of_them = resolvers.resolve(wanted)
        return _Known({one: all_of_them.references[one] for one in wanted}, {}, all_of_them.notes)
    except StellwerkError:
        pass
    # One that cannot be looked up says nothing about the others.
    values: dict[Reference[Any], Any] = {}
    problems: dict[Reference[Any], str] = {}
    notes: list[str] = []
    for one in wanted:
        try:
            resolved = resolvers.resolve([one])
        except StellwerkError as exc:
            problems[one] = str(exc)
        else:
            values[one] = resolved.references[one]
            notes += resolved.notes
    return _Known(values, problems, tuple(notes))


def _besides(wanted: Iterable[Reference[Any]]) -> Mapping[str, Partitions]:
    """Return what is looked at for the sake of safety, whatever the intent asks for."""
    wanted = tuple(wanted)
    keys = {one.path for one in wanted if isinstance(one, PrivateKeyFile | PresharedKeyFile)}
    if any(isinstance(one, AgePrivateKey | AgePresharedKey) for one in wanted):
        keys.add(str(identity_path()))
    return {
        Route.table: None,
        WireGuardPeer.table: None,
        NftTable.table: frozenset({NftTable().partition()}),
        Sysctl.table: frozenset(FORWARDING),
        KeyFile.table: frozenset(keys),
    }


def _steady(reference: Reference[Any], value: Any) -> Any:
    """Return a value that is the same at each look: a key that would be made is another one each time."""
    if isinstance(value, ResolvedKey) and value.generated:
        return replace(value, key=reference.assumed().key)
    return value


def _commit(held: Document | None) -> Commit | None:
    found = getattr(held, "commit", None)
    return found if isinstance(found, Commit) else None


def words_of(reference: Reference[Any]) -> str:
    """Return a reference in words, such as ``PrivateKeyFile /etc/stellwerk/keys/links``."""
    path = getattr(reference, "path", getattr(reference, "name", ""))
    return f"{type(reference).__name__} {path}".strip()
