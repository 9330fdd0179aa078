"""What the page of an audit shows, as values that its templates write down."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from reconciler.cli.audit_reports.page.topology import Topology, topology
from reconciler.cli.audit_reports.ranking import (
    SEVERITIES,
    all_findings,
    count_severities,
    count_states,
    first,
    nodes_worst_first,
    rank,
)
from reconciler.cli.audit_reports.wording import WORDS, machine_moment, moment, title
from reconciler.core.audit import Audit, Finding, NodeAudit, Severity, State

MOST_FINDINGS = 100
"""How many findings of a node are shown at most."""
MOST_FINDINGS_OF_ALL = 4000
"""About how many are shown of all nodes; of each at least `FEWEST_FINDINGS`."""
FEWEST_FINDINGS = 5
MOST_LINKS = 50
"""How many links and how many exits of a node are shown."""
MOST_RULES = 12
"""How many rules are counted."""


class Row(NamedTuple):
    """A node in the table. ``key`` is what rows are sorted by at first."""

    id: str
    node: NodeAudit
    kind: str
    state: str
    key: int
    counts: Sequence[tuple[str, int]]
    findings: Sequence[Finding]
    left_out: int
    links_working: int
    links_broken: int
    exits_announced: int
    exits_withdrawn: int
    taken: str
    open: bool


class Rule(NamedTuple):
    """How often a rule found something, and on how many nodes."""

    rule: str
    severity: str
    findings: int
    nodes: int


class Tile(NamedTuple):
    """How many nodes are in a state."""

    kind: str
    state: str
    nodes: int


class View(NamedTuple):
    """All of the page."""

    title: str
    verdict: str
    fine: bool
    fleet: bool
    made: str
    made_machine: str
    version: str
    tiles: Sequence[Tile]
    severities: Sequence[tuple[str, int]]
    rules: Sequence[Rule]
    rules_left_out: int
    rows: Sequence[Row]
    topology: Topology | None


def view(audit: Audit) -> View:
    """Return what the page shows for an audit."""
    ids = _ids(audit.nodes)
    found = sum(bool(node.findings) for node in audit.nodes)
    most = max(FEWEST_FINDINGS, min(MOST_FINDINGS, MOST_FINDINGS_OF_ALL // max(1, found)))
    single = len(audit.nodes) == 1
    rules = _rules(audit.nodes)
    return View(
        title=title(audit),
        verdict=_verdict(audit),
        fine=audit.worst() is State.IN_SYNC,
        fleet=not single,
        made=moment(audit.made),
        made_machine=machine_moment(audit.made),
        version=audit.version,
        tiles=[Tile(kind(state), WORDS[state], count) for state, count in count_states(audit.nodes).items()],
        severities=_counted(all_findings(audit)),
        rules=rules[:MOST_RULES],
        rules_left_out=max(0, len(rules) - MOST_RULES),
        rows=[_row(node, ids[node.node], most, single) for node in nodes_worst_first(audit.nodes)],
        topology=topology(audit, ids),
    )


def kind(state: State) -> str:
    """Return a state's name as classes and fragments have it: ``in-sync``."""
    return state.name.lower().replace("_", "-")


def _verdict(audit: Audit) -> str:
    if not audit.nodes:
        return "No node was audited."
    if len(audit.nodes) == 1:
        return {
            State.IN_SYNC: "It is as its node file says.",
            State.DIFFERS: "It is not as its node file says.",
            State.UNKNOWN: "Not all of it could be seen.",
            State.INVALID: "What it should be cannot be read.",
        }[audit.nodes[0].state]
    counts = count_states(audit.nodes)
    differ, unjudged = counts[State.DIFFERS], counts[State.UNKNOWN] + counts[State.INVALID]
    if not differ + unjudged:
        return f"All {len(audit.nodes):,} nodes are as they should be."
    said = [f"{differ:,} of {len(audit.nodes):,} nodes {'differs' if differ == 1 else 'differ'}"]
    if unjudged:
        said.append(f"{unjudged:,} could not be judged, or not as a whole")
    return f"{'; '.join(said)}."


def _counted(findings: Iterable[Finding]) -> list[tuple[str, int]]:
    return [(severity.value, count) for severity, count in count_severities(findings).items() if count]


def _row(node: NodeAudit, id: str, most: int, single: bool) -> Row:
    findings, left_out = first(node.findings, most)
    return Row(
        id=id,
        node=node,
        kind=kind(node.state),
        state=WORDS[node.state],
        key=rank(node),
        counts=_counted(node.findings),
        findings=findings,
        left_out=left_out,
        links_working=sum(link.works is True for link in node.links),
        links_broken=sum(link.works is False for link in node.links),
        exits_announced=sum(offer.announced is True for offer in node.exits),
        exits_withdrawn=sum(offer.announced is False for offer in node.exits),
        taken=moment(node.taken).removesuffix(" UTC"),
        open=single,
    )


def _rules(nodes: Iterable[NodeAudit]) -> list[Rule]:
    """Return the rules that found something, the worst first, and of those the most frequent."""
    findings: Counter[str] = Counter()
    on: Counter[str] = Counter()
    worst: dict[str, Severity] = {}
    for node in nodes:
        findings.update(one.rule for one in node.findings)
        on.update({one.rule for one in node.findings})
        for one in node.findings:
            worst[one.rule] = min(worst.get(one.rule, one.severity), one.severity, key=SEVERITIES.index)
    order = sorted(findings, key=lambda rule: (SEVERITIES.index(worst[rule]), -on[rule], rule))
    return [Rule(rule, worst[rule].value, findings[rule], on[rule]) for rule in order]


def _ids(nodes: Iterable[NodeAudit]) -> Mapping[str, str]:
    """Return the id of each node's row: of its name where that can be one, the same in each audit."""
    ids = {}
    for node in nodes:
        plain = re.fullmatch(r"[A-Za-z0-9._-]{1,64}", node.node)
        digest = sha256(node.node.encode(errors="surrogatepass")).hexdigest()[:16]
        ids[node.node] = f"node-{node.node if plain else digest}"
    return ids
