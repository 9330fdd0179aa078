"""Hold a node, as a snapshot tells of it, against what it should be. Pure: nothing is looked at or changed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from intent.document import Node
from intent.expansion import offers
from intent.fencing import fences
from intent.problems import IntentError
from intent.resources.file import KeyFile
from intent.resources.resource import Key, Resource
from reconciler.core.audit import Finding, NodeAudit, Severity, State
from reconciler.core.auditing import Case, Found, differences, unmanaged
from reconciler.core.backend import Partitions
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.errors import BackendError, StellwerkError
from reconciler.core.plan import Action, Impact, Plan, PlanError
from reconciler.core.snapshot import DamagedSnapshotError, Snapshot
from reconciler.services.audit_places import file_of, places
from reconciler.services.audit_references import Asked, asked
from reconciler.services.audit_rules import rules
from reconciler.services.audit_topology import exits, links
from reconciler.services.snapshots import digest_of, words_of

MOST_FINDINGS = 2000
"""How many findings of one node are told; of the others it is only said how many there are."""
_STRANGE = (ValueError, LookupError, TypeError)
"""What objects raise whose fields no kernel and no daemon would have given them."""


def invalid(name: str, file: str, why: Exception) -> NodeAudit:
    """Return the audit of a node whose intent cannot be used."""
    return NodeAudit(name, file, problem=str(why), state=State.INVALID)


def unknown(name: str, file: str, why: str, seen: str = "") -> NodeAudit:
    """Return the audit of a node of which nothing can be told."""
    return NodeAudit(name, file, seen=seen, problem=why, state=State.UNKNOWN)


def audited(node: Node, snapshot: Snapshot, seen: str, stale: str = "") -> NodeAudit:
    """Return how the node is. ``seen`` says by what it was looked at, ``stale`` why that is too old.

    Nothing is raised: what cannot be told is said in the audit.
    """
    file = file_of(node)
    try:
        return _audited(node, snapshot, seen, stale, file)
    except (IntentError, PlanError) as exc:
        return invalid(node.name, file, exc)
    except StellwerkError as exc:
        return unknown(node.name, file, f"{seen}: {exc}", seen)
    except _STRANGE as exc:
        return unknown(node.name, file, f"{seen}: it tells of objects that no node has ({exc!r:.200})", seen)


def _audited(node: Node, snapshot: Snapshot, seen: str, stale: str, file: str) -> NodeAudit:
    if snapshot.node and snapshot.node != node.name:
        raise DamagedSnapshotError(f"it is of the node {snapshot.node}, not of {node.name}")
    intent = asked(node, snapshot)
    desired, missed = _looked_at(intent.desired, snapshot.looked_at)
    observation = snapshot.observation
    unseen = {**observation.unseen, **missed}
    for one in intent.unknown:
        if intent.doubtful:
            unseen.setdefault(words_of(one), BackendError("it is not known, and what hangs on it is not compared"))
    observation = replace(observation, unseen=unseen)
    plan = _certain(diff(desired, observation), intent)
    offered = offers(node, intent.values)
    fenced = frozenset(fences(node, intent.values))
    files = frozenset(key for view in observation.tables if view.name == KeyFile.table for key in view.resources)
    doubtful = {key.space for key in intent.doubtful}
    case = Case(desired, observation, plan, fenced, offered, files, doubtful)
    found = [*_found(case, node), *_told(snapshot, node)]
    counts, notes = unmanaged(case)
    told = {one.key for one in found}
    found += [note for note in notes if note.key not in told]
    words = tuple(f"{what}: {error}" for what, error in sorted(unseen.items())) + ((stale,) if stale else ())
    findings = _placed(found, node, intent)
    findings += [Finding("unseen", Severity.NOTE, word.partition(":")[0], word) for word in words]
    return NodeAudit(
        node.name,
        file,
        digest=digest_of(node),
        seen=seen,
        taken=snapshot.taken,
        findings=tuple(findings),
        unseen=words,
        state=_state(findings, words),
        unmanaged=tuple(sorted(counts.items())),
        links=links(node, intent.values, observation, not intent.doubtful),
        exits=exits(offered, observation, not unseen),
    )


def _found(case: Case, node: Node) -> list[Found]:
    """Return what the rules say, and then all differences about which they have said nothing."""
    found = list(dict.fromkeys(one for rule in rules() for one in rule(case, node)))
    told = {one.key for one in found}
    return found + [one for one in differences(case) if one.key is None or one.key not in told]


def _told(snapshot: Snapshot, node: Node) -> Iterable[Found]:
    if snapshot.digest and snapshot.digest != digest_of(node):
        by = "" if snapshot.commit is None else f" of commit {snapshot.commit.short}"
        yield Found(
            None,
            Finding(
                "other-document",
                Severity.NOTE,
                f"document {snapshot.digest[:12]}",
                f"the node is held at another document than this one{by}",
            ),
        )


def _looked_at(desired: Desired, looked_at: Mapping[str, Partitions]) -> tuple[Desired, Mapping[str, BackendError]]:
    """Return what is desired where somebody has looked, and what was not looked at."""
    seen: dict[Key, Resource] = {}
    missed: dict[str, int] = {}
    for key, one in desired.by_key.items():
        parts = looked_at.get(one.table, frozenset())
        if parts is None or (one.partition() if one.partitioned else None) in parts:
            seen[key] = one
        else:
            missed[one.table] = missed.get(one.table, 0) + 1
    if not missed:
        return desired, {}
    return Desired(seen), {
        f"part of {table}": BackendError(f"nobody has looked where {count} of its objects should be")
        for table, count in missed.items()
    }


def _certain(plan: Plan, intent: Asked) -> Plan:
    """Return the plan without removals of what may be asked for, if values were known that are not."""
    spaces = {key.space for key in intent.doubtful}
    if not spaces:
        return plan
    kept = tuple(
        one
        for one in plan.operations
        if one.key not in intent.doubtful
        and not (one.action is Action.DELETE and one.impact is Impact.REMOVAL and one.key.space in spaces)
    )
    return replace(plan, operations=kept)


def _placed(found: Sequence[Found], node: Node, intent: Asked) -> list[Finding]:
    order = list(Severity)
    ranked = sorted(found, key=lambda one: order.index(one.finding.severity))
    kept = ranked[:MOST_FINDINGS]
    where = places(
        node, intent.values, {key for one in kept if (key := one.key) is not None and key in intent.desired.by_key}
    )
    findings = [
        one.finding if one.key is None or one.key not in where else replace(one.finding, place=where[one.key])
        for one in kept
    ]
    if more := ranked[MOST_FINDINGS:]:
        worst = more[0].finding.severity
        findings.append(Finding("more", worst, f"{len(more)} more", "they are not told one by one"))
    return findings


def _state(findings: Iterable[Finding], unseen: Sequence[str]) -> State:
    if unseen:
        return State.UNKNOWN
    different = any(one.severity is not Severity.NOTE for one in findings)
    return State.DIFFERS if different else State.IN_SYNC
