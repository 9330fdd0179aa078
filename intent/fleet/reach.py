"""Which nodes no exit can reach, as far as a fleet says who hears whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from intent.fleet.facts import NodeFacts, of_kind
from intent.fleet.meetings import Meetings
from intent.fleet.rendered import Origin
from intent.fleet.repository import Fleet
from intent.fleet.settings import FLEET_FILE
from intent.fleet.told import Told, named
from intent.shares import Leaving, Member, Speaking


def unreached(nodes: Mapping[str, NodeFacts], fleet: Fleet, found: Meetings) -> Iterator[Told]:
    """Yield the nodes of the mesh that are together without an exit.

    Where one of them speaks to the mesh at an interface of which nobody says who else is there, it cannot be known,
    and nothing is said. A fleet without any exit is one problem, where some node counts on exits; else it is meant so.
    """
    speaking = {name: _speaking(known) for name, known in nodes.items()}
    members = {name for name, known in nodes.items() if any(of_kind(known.shares, Member))}
    groups = _Groups(members)
    covered: set[tuple[str, str]] = set()
    for segment in fleet.segments:
        heard = [name for name in segment.nodes if segment.interface in speaking.get(name, ())]
        for name in segment.nodes:
            if name not in heard:
                yield Told(
                    Origin(FLEET_FILE, *segment.place),
                    f"node {name} has no mesh interface `{segment.interface}`, so that it hears nobody there",
                )
        covered |= {(name, segment.interface) for name in heard}
        groups.join(heard)
    for (one, mine), (other, theirs) in found.joined:
        covered |= {(name, interface) for name, interface in ((one, mine), (other, theirs)) if interface is not None}
        if (mine is None or mine in speaking[one]) and (theirs is None or theirs in speaking[other]):
            groups.join((one, other))
    exits = {name for name, known in nodes.items() if any(of_kind(known.shares, Leaving))}
    unknown = {name for name in members if any((name, one) not in covered for one in speaking[name])}
    unknown |= {name for name, one in found.outside if one is None or one in speaking[name]}
    yield from _alone(nodes, groups, exits, unknown)


def _speaking(known: NodeFacts) -> frozenset[str]:
    return frozenset(one.share.interface for one in of_kind(known.shares, Speaking) if isinstance(one.share, Speaking))


def _alone(nodes: Mapping[str, NodeFacts], groups: _Groups, exits: set[str], unknown: set[str]) -> Iterator[Told]:
    if not exits:
        counting = [name for name in nodes if _counts_on_exits(nodes[name])]
        if counting and not unknown:
            message = "no node of the fleet is an exit, though `exits` of `mesh` counts on some"
            yield Told(Origin(FLEET_FILE, 0, 0), message, "an exit has `exit: {prefixes: […]}`")
        return
    for together in groups.all():
        if exits.isdisjoint(together) and unknown.isdisjoint(together):
            who, have = named(together)
            among = "no connection to another node" if len(together) == 1 else "connections among themselves only"
            yield Told(
                Origin(nodes[together[0]].file, 0, 0),
                f"no exit can be reached: {who} {have} {among}",
                "a line under `links` in fleet.yaml connects two nodes; nodes on one cable are a line under `segments`",
            )


def _counts_on_exits(known: NodeFacts) -> bool:
    return any(isinstance(one.share, Member) and one.share.exits for one in known.shares)


class _Groups:
    """Nodes that are connected, by whatever way (union-find; Tarjan 1975)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._above = {name: name for name in names}

    def _top(self, name: str) -> str:
        above = self._above
        while above[name] != name:
            above[name] = above[above[name]]
            name = above[name]
        return name

    def join(self, names: Iterable[str]) -> None:
        """Put those together that are in the mesh."""
        tops = [self._top(name) for name in names if name in self._above]
        for top in tops[1:]:
            self._above[self._top(top)] = self._top(tops[0])

    def all(self) -> list[list[str]]:
        """Return the groups, in the order of their first names."""
        found: dict[str, list[str]] = {}
        for name in sorted(self._above):
            found.setdefault(self._top(name), []).append(name)
        return list(found.values())
