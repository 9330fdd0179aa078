"""Audits as they may come out: of one node, of a small fleet, of a large one that drifts; the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from reconciler.core.audit import Audit, ExitSeen, Finding, LinkSeen, NodeAudit, Place, Severity, State

MADE = 1_795_500_000.0
VERSION = "0.1.0"
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\x1b[2J`|*_@x ]]>&amp;\u202e\ud800"
"""A name that tries to be more than text in every format."""

DEFAULT_WITHOUT_FROM = Finding(
    "default-without-from",
    Severity.CRITICAL,
    "route default via fe80::1 dev eth0 table 10 proto static",
    "a default without `from` in the mesh's table: traffic of the whole mesh would leave through this node's uplink",
    "delete it, or say `exit` in the node file if the node is to be an exit",
    Place("nodes/berlin-7.yaml", 6, 3),
)
UNKNOWN_PEER = Finding(
    "unknown-peer",
    Severity.CRITICAL,
    "peer hZ3xk1c0eYk0dM5v8Wm8lqTq2cY5n7uQq1bY0b8h4nA= on wg-mesh",
    "the intent names no such peer: whoever holds its key is in the mesh",
    "remove it with `wg set wg-mesh peer … remove`, or add it to `peers`",
    Place("nodes/berlin-7.yaml", 14, 5),
)
FORWARDING_OFF = Finding(
    "forwarding-off",
    Severity.MAJOR,
    "net.ipv6.conf.all.forwarding = 0",
    "the node passes nothing on for others",
    "`stellwerk apply` sets it",
    Place("nodes/berlin-7.yaml"),
)
MISSING = Finding(
    "missing",
    Severity.MAJOR,
    "route default from 2001:db8:42::/56 via fd00:aa::1 dev gre-provider",
    "is not there, and `exit` asks for it",
    "`stellwerk plan` shows what would be done",
    Place("nodes/berlin-7.yaml", 31, 7),
)
MTU = Finding(
    "different",
    Severity.MINOR,
    "link wg-mesh mtu 1420",
    "is to have mtu 1380",
    "`stellwerk apply` sets it",
    Place("nodes/berlin-7.yaml", 12, 5),
)
FOREIGN = Finding(
    "foreign",
    Severity.NOTE,
    "rule from fd12:3456::/48 lookup 52",
    "nobody asked for it, and it is left alone",
    "",
    None,
)
TEMPLATES = (DEFAULT_WITHOUT_FROM, UNKNOWN_PEER, FORWARDING_OFF, MISSING, MTU, FOREIGN)
PLACES = ("berlin", "hamburg", "leipzig", "köln", "dresden", "bremen", "rostock", "jena", "halle", "mainz")


def one_node() -> Audit:
    """Return the audit of a node on which something of each severity was found."""
    node = NodeAudit(
        node="berlin-7",
        file="nodes/berlin-7.yaml",
        digest="6f1c" * 16,
        seen="live",
        taken=MADE - 2,
        findings=(MTU, FOREIGN, MISSING, DEFAULT_WITHOUT_FROM, FORWARDING_OFF),
        state=State.DIFFERS,
        unmanaged=(("route", 14), ("address", 3), ("link", 2)),
        links=(LinkSeen("hamburg-3", "wg-5a1f2c", True), LinkSeen("leipzig-1", "wg-77aa01", False)),
        exits=(ExitSeen("2001:db8:42::/56", False), ExitSeen("2001:db8:43::/56", True)),
    )
    return Audit((node,), MADE, VERSION)


def in_sync() -> Audit:
    """Return the audit of a node on which nothing was found."""
    node = replace(one_node().nodes[0], findings=(), state=State.IN_SYNC, unmanaged=())
    return Audit((node,), MADE, VERSION)


def small_fleet() -> Audit:
    """Return the audit of 12 nodes in every state."""
    audit = fleet(12)
    nodes = list(audit.nodes)
    nodes[2] = replace(
        nodes[2], state=State.DIFFERS, findings=(_at(nodes[2], DEFAULT_WITHOUT_FROM), _at(nodes[2], MTU)), problem=""
    )
    nodes[4] = _unseen(nodes[4])
    nodes[7] = _invalid(nodes[7])
    nodes[8] = replace(nodes[8], unseen=("table nftables: permission denied; run it as root",), state=State.UNKNOWN)
    nodes[9] = replace(nodes[9], state=State.DIFFERS, findings=(_at(nodes[9], MISSING), _at(nodes[9], FORWARDING_OFF)))
    nodes[10] = replace(nodes[10], state=State.DIFFERS, findings=(_at(nodes[10], MTU),))
    nodes[5] = replace(nodes[5], findings=(_at(nodes[5], FOREIGN),))
    # One side alone finds a link broken.
    nodes[10] = replace(nodes[10], links=(replace(nodes[10].links[0], works=False), *nodes[10].links[1:]))
    return replace(audit, nodes=tuple(nodes))


def hostile() -> Audit:
    """Return the audit of a fleet in which every text is an attempt to be more than text."""
    evil = Finding(HOSTILE, Severity.CRITICAL, HOSTILE, HOSTILE + "\nsecond\x00 line", HOSTILE, Place(HOSTILE, 3, 4))
    node = NodeAudit(
        node=HOSTILE,
        file=f"nodes/{HOSTILE}.yaml",
        digest=HOSTILE,
        seen=HOSTILE,
        taken=MADE,
        findings=(evil, replace(evil, severity=Severity.NOTE)),
        unseen=(HOSTILE,),
        problem=HOSTILE,
        state=State.INVALID,
        unmanaged=((HOSTILE, 3),),
        links=(LinkSeen(HOSTILE + "2", HOSTILE, False), LinkSeen("javascript:alert(3)", HOSTILE, True)),
        exits=(ExitSeen(HOSTILE, None),),
    )
    other = replace(node, node=HOSTILE + "2", problem="", state=State.DIFFERS)
    return Audit((node, other), MADE, HOSTILE, HOSTILE)


def many_findings(count: int) -> Audit:
    """Return the audit of a node on which very much was found."""
    node = one_node().nodes[0]
    findings = tuple(
        Finding("foreign-route", Severity.MAJOR, f"route 2001:db8:{number:x}::/48 dev mesh0 table 10", "not ours")
        for number in range(count)
    )
    return Audit((replace(node, findings=findings),), MADE, VERSION)


def fleet(count: int, drifting: float = 0.0) -> Audit:
    """Return the audit of a fleet of ``count`` nodes, a share of which drifts, is not seen, or has no valid intent."""
    chance = random.Random(count)
    names = [f"{PLACES[number * 7 % len(PLACES)]}-{number // len(PLACES) + 1}" for number in range(count)]
    links: dict[str, list[LinkSeen]] = {name: [] for name in names}
    for one, other in sorted(set(_pairs(names, chance))):
        works = chance.random() >= 0.02
        links[one].append(LinkSeen(other, f"wg-{other[:10]}", works))
        links[other].append(LinkSeen(one, f"wg-{one[:10]}", works))
    nodes = []
    for number, name in enumerate(names):
        exits = (ExitSeen(f"2001:db8:{number:x}::/56", chance.random() > 0.1),) if number % 4 == 1 else ()
        node = NodeAudit(
            node=name,
            file=f"rendered/{name}.yaml",
            digest=f"{number:064x}",
            seen=f"snapshots/{name}.json",
            taken=MADE - 30 * chance.random() * 60,
            unmanaged=(("address", 3), ("route", 12)),
            links=tuple(links[name]),
            exits=exits,
        )
        nodes.append(_drifted(node, chance) if chance.random() < drifting else node)
    return Audit(tuple(nodes), MADE, VERSION, "example.freifunk")


def _pairs(names: list[str], chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yield links as a mesh grows: most to a node of the same place, some across, none to itself."""
    groups: dict[str, list[str]] = {}
    for name in names:
        group = groups.setdefault(name.rpartition("-")[0], [])
        for other in chance.sample(group, min(len(group), 1 + (chance.random() < 0.5))):
            yield min(name, other), max(name, other)
        group.append(name)
    heads = [group[0] for group in groups.values()]
    for number, head in enumerate(heads[1:], start=1):
        other = heads[chance.randrange(number)]
        yield min(head, other), max(head, other)
    for _ in range(len(names) // 25):
        one, other = chance.sample(names, 2)
        yield min(one, other), max(one, other)


def _drifted(node: NodeAudit, chance: random.Random) -> NodeAudit:
    kind = chance.random()
    if kind < 0.1:
        return _unseen(node)
    if kind < 0.15:
        return _invalid(node)
    found = chance.choices(TEMPLATES, weights=(1, 1, 2, 3, 6, 2), k=chance.randint(1, 6))
    return replace(node, state=State.DIFFERS, findings=tuple(_at(node, one) for one in found))


def _unseen(node: NodeAudit) -> NodeAudit:
    return replace(
        node,
        state=State.UNKNOWN,
        problem=f"there is no snapshots/{node.node}.json: the node has sent no snapshot",
        seen="",
        taken=None,
        findings=(),
        unmanaged=(),
        links=tuple(replace(link, works=None) for link in node.links),
        exits=tuple(replace(offer, announced=None) for offer in node.exits),
    )


def _invalid(node: NodeAudit) -> NodeAudit:
    words = f"{node.file}:9:12: `51820x` is no port: a whole number from 1 to 65535\n      listen_port: 51820x\n"
    return replace(node, state=State.INVALID, problem=words, findings=(), links=(), exits=())


def _at(node: NodeAudit, finding: Finding) -> Finding:
    place = None if finding.place is None else replace(finding.place, file=node.file)
    return replace(finding, place=place)
