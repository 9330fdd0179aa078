"""Connections between nodes: each end has another, at the node and with the key that it names, and both agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from intent.fleet.facts import ENDPOINT, KEY, NODE, NodeFacts, Written, of_kind, spelled_host
from intent.fleet.rendered import Origin
from intent.fleet.repository import Fleet
from intent.fleet.told import OTHER, Told
from intent.shares import Meeting, Tunnelling

_MOST_OWNERS = 10
"""How many nodes with the same key are looked at: that there are several is an error of its own."""


@dataclass(slots=True)
class Meetings:
    """What came of the connections: what is wrong, who is connected with whom, and what leads out of the fleet.

    ``joined`` are pairs of nodes, each with its interface, ``None`` where that is in the mesh in any case.
    ``outside`` are the nodes and interfaces at whose other ends is no node of the fleet.
    """

    told: list[Told] = field(default_factory=list)
    joined: list[tuple[tuple[str, str | None], tuple[str, str | None]]] = field(default_factory=list)
    outside: set[tuple[str, str | None]] = field(default_factory=set)


class _End(NamedTuple):
    node: str
    written: Written
    share: Meeting


class _TunnelEnd(NamedTuple):
    node: str
    written: Written
    share: Tunnelling


def meetings(nodes: Mapping[str, NodeFacts], fleet: Fleet) -> Meetings:
    """Hold the two ends of each connection beside each other."""
    found = Meetings()
    _Keyed(nodes, fleet, found).look()
    _tunnels(nodes, found)
    return found


class _Keyed:
    """Connections by public keys."""

    def __init__(self, nodes: Mapping[str, NodeFacts], fleet: Fleet, found: Meetings) -> None:
        self._nodes = nodes
        self._fleet = fleet
        self._found = found
        self._known = frozenset(fleet.known_keys.values())
        self._names = frozenset(fleet.nodes)
        self._owners: dict[str, list[tuple[str, str]]] = {}
        self._hosts: dict[str, str] = {}
        for name, known in nodes.items():
            for own, key, _ in known.keys:
                owners = self._owners.setdefault(key, [])
                if len(owners) < _MOST_OWNERS:
                    owners.append((name, own))
            if known.host is not None:
                self._hosts.setdefault(known.host, name)
        self._ends: dict[tuple[str, str, str, str], _End] = {}
        self._keyless: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Note what is wrong with each end, and which two are one connection."""
        met: list[tuple[_End, list[tuple[str, str]]]] = []
        for name, known in self._nodes.items():
            for written in of_kind(known.shares, Meeting):
                assert isinstance(written.share, Meeting)  # noqa: S101 - asked for
                end = _End(name, written, written.share)
                others = list(self._others(end))
                for other, own in others:
                    self._ends.setdefault((name, end.share.own, other, own), end)
                met.append((end, others))
        for end, others in met:
            if others:
                self._meet(end, others)

    def _tell(
        self, end: _End, field: str, message: str, advice: str | None = None, other: Origin | None = None
    ) -> None:
        self._found.told.append(Told(end.written.place(field), message, advice, other))

    def _others(self, end: _End) -> Iterator[tuple[str, str]]:
        """Yield the nodes, and the names of their keys, that an end may mean: none where it leads out of the fleet."""
        share = end.share
        owners = self._owners.get(share.key, [])
        if share.node is not None and share.node in self._names:
            yield from ((share.node, share.own),) if share.node in self._nodes else ()
        elif share.key in self._known:
            self._found.outside.add((end.node, share.interface))
        elif share.node is not None:
            advice = "known keys of others stand under `known_keys` in fleet.yaml"
            self._tell(
                end, NODE, f"`{share.node}` is no node of the fleet, and its key none that the fleet knows", advice
            )
        elif self._nodes[end.node].key(share.own) == share.key:
            self._tell(end, KEY, f"this is the public key of `{share.own}` of node {end.node} itself")
        elif owners:
            yield from owners
        elif len(self._nodes) == len(self._names):
            advice = (
                "a node says its own by `public: {keys: {INTERFACE: …}}`, and those of others stand under `known_keys` "
                "in fleet.yaml"
            )
            self._tell(end, KEY, f"this {share.thing} is nobody: no node of the fleet has this key", advice)

    def _meet(self, end: _End, others: list[tuple[str, str]]) -> None:
        name, share = end.node, end.share
        self._key_is_said(name, share.own)
        if share.node is not None and not self._key_is_right(end, *others[0]):
            return
        back = next((self._ends[key] for key in ((*one, name, share.own) for one in others) if key in self._ends), None)
        if back is None:
            if self._nodes[name].key(share.own) is not None:
                self._no_way_back(end, others[0])
            return
        self._endpoint(end, back)
        if (end.node, share.own) < (back.node, back.share.own):
            self._found.joined.append(((name, share.interface), (back.node, back.share.interface)))
            self._agree(end, back)

    def _key_is_said(self, name: str, own: str) -> None:
        """Tell, once, where a node does not say the key that others need to know."""
        if self._nodes[name].key(own) is None and (name, own) not in self._keyless:
            self._keyless.add((name, own))
            self._found.told.append(
                Told(
                    Origin(self._nodes[name].file, 0, 0),
                    f"the public key of `{own}` of node {name} is not said, so that nobody can know who it is",
                    f"write `public: {{keys: {{{own}: …}}}}`, with what `stellwerk key` or `wg pubkey` shows",
                )
            )

    def _key_is_right(self, end: _End, other: str, own: str) -> bool:
        known = self._nodes[other]
        expected = known.key(own)
        if expected is None:
            self._key_is_said(other, own)
            return True
        if expected == end.share.key:
            return True
        owners = [name for name, _ in self._owners.get(end.share.key, ()) if name != other]
        whose = f", but that of node {owners[0]}" if owners else ""
        at = next(at for name, _, at in known.keys if name == own)
        self._tell(
            end, KEY, f"this is not the public key of `{own}` of node {other}{whose}", f"the right one is in {at}"
        )
        return False

    def _no_way_back(self, end: _End, other: tuple[str, str]) -> None:
        name, own = other
        file = self._nodes[name].file
        if end.share.node is not None:
            message = f"node {name} has no {end.share.thing} to node {end.node}"
            advice = f"write it into {OTHER} too; a line under `links` in fleet.yaml makes both sides"
        else:
            message = f"`{own}` of node {name} does not have node {end.node} as a {end.share.thing}"
            advice = f"write it into {OTHER} too"
        self._tell(end, NODE if end.share.node is not None else KEY, message, advice, Origin(file, 0, 0))

    def _endpoint(self, end: _End, back: _End) -> None:
        """Tell where one side seeks the other at a place where that is not."""
        if end.share.endpoint is None:
            return
        host, port = spelled_host(end.share.endpoint[0]), end.share.endpoint[1]
        there = self._nodes[back.node].host
        if back.share.listen_port is None:
            advice = f"write `listen_port` in {back.written.at}, or leave out this endpoint"
            self._tell(
                end, ENDPOINT, f"node {back.node} listens on no certain port for this {back.share.thing}", advice
            )
        elif there is not None and there != host:
            # A node may have more addresses than the public one, and forwarded ports there.
            if host in self._hosts:
                message = f"{host} is the public host of node {self._hosts[host]}, not of node {back.node}"
                self._tell(end, ENDPOINT, message)
        elif port != back.share.listen_port:
            advice = f"it listens on {back.share.listen_port}: {back.written.at}"
            self._tell(
                end, ENDPOINT, f"node {back.node} does not listen on port {port} for this {back.share.thing}", advice
            )

    def _agree(self, end: _End, back: _End) -> None:
        """Tell once what the two sides do not agree on."""
        others = dict(back.share.agreed)
        for name, value in end.share.agreed:
            if others.get(name, value) != value:
                at = back.written.at
                said = f"`{name}` of the {end.share.thing} is {value} at node {end.node}"
                self._tell(
                    end, name, f"{said}, and {others[name]} at node {back.node} in {at}", "both sides have the same"
                )
        if end.share.endpoint is None and back.share.endpoint is None:
            message = f"neither node {end.node} nor node {back.node} knows where the other is: nobody begins"
            advice = "one of them needs a `public` `host`, or the other side an `endpoint`"
            self._tell(end, ENDPOINT, message, advice)


def _tunnels(nodes: Mapping[str, NodeFacts], found: Meetings) -> None:
    """Hold ends by addresses beside each other. Where nobody has the remote address, it is a provider's."""
    ends: dict[tuple[str, str], list[_TunnelEnd]] = {}
    holders: dict[str, _TunnelEnd] = {}
    for name, known in nodes.items():
        for written in of_kind(known.shares, Tunnelling):
            assert isinstance(written.share, Tunnelling)  # noqa: S101 - asked for
            end = _TunnelEnd(name, written, written.share)
            ends.setdefault((end.share.local, end.share.remote), []).append(end)
            holders.setdefault(end.share.local, end)
    for (local, remote), those in ends.items():
        back = ends.get((remote, local), [])
        by_agreed = {one.share.agreed: one for one in reversed(back)}
        for end in those:
            same = by_agreed.get(end.share.agreed)
            if same is not None:
                if end.node < same.node:
                    found.joined.append(((end.node, end.share.interface), (same.node, same.share.interface)))
            elif back:
                if end.node < back[0].node:
                    found.told.append(_different(end, back[0]))
            elif remote not in holders:
                found.outside.add((end.node, end.share.interface))
            else:
                other = holders[remote]
                message = f"node {other.node}, which has {remote}, has no {end.share.thing} back to {local}"
                found.told.append(Told(end.written.at, message, f"its own are in {OTHER}", other.written.at))


def _different(end: _TunnelEnd, other: _TunnelEnd) -> Told:
    theirs = dict(other.share.agreed)
    field, value = next(one for one in end.share.agreed if theirs[one[0]] != one[1])
    message = f"`{field}` of the {end.share.thing} is {value} at node {end.node}, and {theirs[field]} at"
    whole = f"{message} node {other.node} in {OTHER}"
    return Told(end.written.at, whole, "both sides have the same", other.written.at)
