"""Cables: bridges in a namespace of their own, and a veth pair from each to every interface at it.

A bridge in the middle lets a cable fall silent at one end or at all, while each end still has a carrier, as with a
switch or a radio in between.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.errors import RefusedError
from reconciler.lab.fields import INTERNET, End
from reconciler.lab.layout import Cable, Layout, hardware_address
from reconciler.lab.namespaces import Place
from reconciler.lab.programs import ProgramError, ip, run


@dataclass(frozen=True, slots=True)
class Break:
    """Something that is broken: a wire, a place, or one interface of a place. With ``carrier`` it loses that too."""

    target: str
    carrier: bool = False


class Wires:
    """The cables of a lab, and what of them is broken. Raises ProgramError where the kernel refuses."""

    def __init__(self, layout: Layout, wires: Place, home: int) -> None:
        self.layout = layout
        self.breaks: dict[str, Break] = {}
        self.note: str | None = None
        """What the kernel cannot do, if anything."""
        self._wires = wires
        self._home = home
        self._plugged: set[End] = set()

    def make(self) -> None:
        """Make the bridges."""
        lines = ["link set lo up"]
        for cable in self.layout.cables:
            options = "stp_state 0 mcast_snooping 0 forward_delay 0"
            lines += [f"link add {cable.bridge} type bridge {options}", f"link set {cable.bridge} up"]
        ip(self._wires, self._home, lines)

    def plug_in(self, place: Place) -> None:
        """Give a place its interfaces, at their cables."""
        lines = []
        ends = self.layout.ends_of(place.name)
        for end in ends:
            port = self.layout.at[end].port(end)
            mac = hardware_address(end).hex(":")
            peer = f"peer name {end.interface} address {mac} netns {place.path}"
            lines += [f"link add {port} type veth {peer}"]
        ip(self._wires, self._home, lines)
        self._plugged.update(ends)
        self._delay(ends)
        self._set(ends)

    def pull_out(self, place: Place) -> None:
        """Take a place's interfaces away from their cables."""
        ends = self.layout.ends_of(place.name)
        self._plugged.difference_update(ends)
        ip(self._wires, self._home, [f"link delete {self.layout.at[end].port(end)}" for end in ends])

    def break_(self, target: str, carrier: bool) -> None:
        """Break a wire, a place's interfaces or one interface."""
        ends = self.ends(target)
        self.breaks[target] = Break(target, carrier)
        self._set(ends)

    def heal(self, target: str) -> None:
        """Undo `break_`. Raises RefusedError where that is not broken."""
        ends = self.ends(target)
        if target not in self.breaks:
            broken = ", ".join(sorted(self.breaks)) or "nothing"
            raise RefusedError(f"{target} is not broken; broken: {broken}")
        del self.breaks[target]
        self._set(ends)

    def state(self, end: End) -> str:
        """Return how an end is: ``up``, ``silent``, ``no carrier``, or ``no power`` where its node has none."""
        if end not in self._plugged:
            return "no power"
        cable = self.layout.at[end]
        found = [self.breaks[name] for name in (str(end), end.place, cable.name) if name in self.breaks]
        # Between two there is no switch that would go on giving a carrier.
        across = [other for other in cable.ends if other != end] if len(cable.ends) == 2 else []
        beyond = [self.breaks[name] for other in across for name in (str(other), other.place) if name in self.breaks]
        if any(one.carrier for one in (*found, *beyond)):
            return "no carrier"
        return "silent" if found else "up"

    def ends(self, target: str) -> list[End]:
        """Return the ends that a target means. Raises RefusedError for what is not there."""
        cable = self.layout.wire(target)
        if cable is not None:
            return list(cable.ends)
        ends = [end for end in self.layout.at if target in (str(end), end.place)]
        if not ends or target == INTERNET:
            known = [cable.name for cable in self.layout.cables if cable.is_wire]
            known += sorted({end.place for end in self.layout.at} - {INTERNET})
            raise RefusedError(
                f"{target} is neither a wire, a node, nor a node's interface; there are {', '.join(known)}, "
                "and interfaces such as " + str(next(iter(self.layout.at), "node:interface"))
            )
        return ends

    def _set(self, ends: list[End]) -> None:
        """Have the ports of the cables at these ends as they are to be."""
        lines = []
        for end in dict.fromkeys(other for one in ends for other in self.layout.at[one].ends):
            if end not in self._plugged:
                continue
            cable = self.layout.at[end]
            port, state = cable.port(end), self.state(end)
            lines.append(f"link set {port} {f'master {cable.bridge}' if state == 'up' else 'nomaster'}")
            lines.append(f"link set {port} {'down' if state == 'no carrier' else 'up'}")
        ip(self._wires, self._home, lines)

    def _delay(self, ends: list[End]) -> None:
        """Have frames delayed and lost at these ends, as far as the kernel can."""
        for end in ends:
            cable = self.layout.at[end]
            if not (cable.delay_milliseconds or cable.loss_percent) or self.note is not None:
                continue
            words = ("tc", "qdisc", "replace", "dev", cable.port(end), "root", "netem")
            try:
                run(self._wires, self._home, (*words, *_netem(cable)))
            except ProgramError as exc:
                self.note = f"wires have no delay and no loss here: the kernel has no netem ({exc.said})"


def _netem(cable: Cable) -> list[str]:
    """Return the arguments of tc-netem(8)."""
    words = ["limit", "10000"]
    if cable.delay_milliseconds:
        words += ["delay", f"{cable.delay_milliseconds:g}ms"]
    if cable.loss_percent:
        words += ["loss", f"{cable.loss_percent:g}%"]
    return words
