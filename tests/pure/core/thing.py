"""The smallest kind of resource that has every property the core knows, and a world that enforces them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from intent.resources.resource import Change, Claim, Drain, Key, Request, Resource
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, OccupiedError, RejectedError, StaleError
from reconciler.core.observe import Observation
from reconciler.core.plan import Action, Plan


class _InTable:
    # Not in the kind itself: `kinds` would find it there and count it among the real ones.
    table: ClassVar[str] = "thing"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Thing(_InTable, Resource):
    """An object called ``name``.

    ``size``, ``needs`` and ``taken`` change in place, ``colour``, ``holds`` and ``whole`` do not. ``holds`` and
    ``taken`` are claims.

    Observed things are ours by their mark, or, unmarked, by the inventory.
    """

    compared: ClassVar[tuple[str, ...]] = ("size", "colour", "needs", "holds", "taken", "whole")
    replace_on: ClassVar[frozenset[str]] = frozenset({"colour", "holds", "whole"})
    disruptive: ClassVar[frozenset[str]] = frozenset({"needs"})
    inventoried: ClassVar[bool] = True

    name: str
    size: int | None = 0
    colour: str = ""
    needs: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    whole: str = ""
    renewed: tuple[str, ...] = ()
    through: str | None = None
    hindered: str | None = None
    marked: bool = True
    made_by_itself: bool = False

    def __repr__(self) -> str:
        """Return the line that `parse` reads."""
        kind = "" if type(self) is Thing else f"{type(self).__name__.lower()} "
        given = [(one.name, getattr(self, one.name), one.default) for one in fields(self) if one.name != "name"]
        words = [f"{name}={','.join(v) if isinstance(v, tuple) else v}" for name, v, default in given if v != default]
        return f"{kind}{' '.join((self.name, *words))}"

    @property
    def key(self) -> Key:
        return key(self.name)

    def describe(self) -> str:
        return f"thing {self.name}"

    def requires(self) -> tuple[Key, ...]:
        return tuple(map(key, self.needs))

    def claims(self) -> tuple[Claim, ...]:
        return tuple(Claim("slot", slot) for slot in (*self.holds, *self.taken))

    def part_of(self) -> Key | None:
        return key(self.whole) if self.whole else None

    def owned(self) -> bool:
        return self.marked

    def automatic(self) -> bool:
        return self.made_by_itself

    def renewed_by(self) -> tuple[Key, ...]:
        return tuple(map(key, self.renewed))

    def replaced_through(self) -> Key | None:
        return None if self.through is None else key(self.through)

    def hindrance(self, observed: Self | None) -> str | None:
        return self.hindered

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        return row if type(row) is cls else None

    def create(self) -> tuple[Request, ...]:
        return (Make(self),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        return (Alter(self),)

    def delete(self) -> tuple[Request, ...]:
        return (Drop(self.name),)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Setting(Thing):
    """A thing that may be adopted: it is there before us."""

    adopts: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Limb(Thing):
    """A thing that is ours whenever its whole is."""

    owned_as_part: ClassVar[bool] = True
    inventoried: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Echo(Thing):
    """A thing that others go on using when it has vanished, until they are told."""

    def remember(self, observed: Self | None) -> dict[str, Any]:
        return {"echo": True, "whole": self.whole}

    @classmethod
    def lost(cls, key: Key, remembered: Mapping[str, Any]) -> Self | None:
        return cls(name=str(key.name[0]), whole=remembered["whole"]) if "echo" in remembered else None

    def retract(self) -> Drain:
        stand_in = StandIn(name=f"{self.name}'")
        return Drain((*stand_in.delete(), Make(stand_in), Tell(self.name)), stand_in)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StandIn(Thing):
    """What stands in a vanished thing's place while others are told."""

    inventoried: ClassVar[bool] = False

    def delete(self) -> tuple[Request, ...]:
        return (Drop(self.name, gone_is_done=True),)


KINDS = {"thing": (Echo, Limb, Setting, StandIn, Thing)}


def key(name: str) -> Key:
    return Key("thing", (name,))


@dataclass(frozen=True, slots=True)
class Make(Request):
    thing: Thing


@dataclass(frozen=True, slots=True)
class Alter(Request):
    thing: Thing


@dataclass(frozen=True, slots=True)
class Drop(Request):
    name: str
    gone_is_done: bool = False


@dataclass(frozen=True, slots=True)
class Tell(Request):
    """Others are told that a thing is gone, by what stands in its place."""

    name: str


class Killed(Exception):
    pass


@dataclass
class World(Backend):
    """Things that are there. It refuses what breaks a need or a claim, so that no plan in the wrong order succeeds."""

    tables: ClassVar[frozenset[str]] = frozenset({"thing"})
    requests: ClassVar[tuple[type[Request], ...]] = (Make, Alter, Drop, Tell)

    things: dict[str, Thing] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()
    dies_after: int | None = None
    hidden: BackendError | None = None

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        return dict.fromkeys(wanted, self.hidden or Dump(list(self.things.values())))

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        return [self._carry_out(request) for request in requests]

    def close(self) -> None:
        pass

    def _carry_out(self, request: Request) -> BackendError | None:
        if self.dies_after is not None:
            if self.dies_after == 0:
                raise Killed
            self.dies_after -= 1
        if isinstance(request, Tell):
            return self._tell(request.name)
        assert isinstance(request, Make | Alter | Drop)
        if isinstance(request, Drop) and request.gone_is_done and request.name not in self.things:
            return None
        name = request.name if isinstance(request, Drop) else request.thing.name
        if name in self.refuses:
            return RejectedError(f"{name} is refused")
        self.done.append(f"{'+-~'[(Make, Drop, Alter).index(type(request))]}{name}")
        return self._drop(request.name) if isinstance(request, Drop) else self._put(request)

    def _tell(self, name: str) -> BackendError | None:
        if name in self.refuses or f"{name}'" not in self.things:
            return RejectedError(f"nobody can be told of {name}")
        self.done.append(f"!{name}")
        return None

    def _put(self, request: Make | Alter) -> BackendError | None:
        thing = request.thing
        if (thing.name in self.things) is isinstance(request, Make):
            return OccupiedError(f"{thing.name} is there") if isinstance(request, Make) else StaleError(thing.name)
        if missing := [need for need in thing.needs if need not in self.things]:
            return StaleError(f"{thing.name} needs {missing}")
        held = {claim for other in self.things.values() if other.name != thing.name for claim in other.claims()}
        if taken := held.intersection(thing.claims()):
            return OccupiedError(f"{thing.name}: {taken} is held")
        self.things[thing.name] = thing
        return None

    def _drop(self, name: str) -> BackendError | None:
        if name not in self.things:
            return StaleError(f"{name} is gone")
        gone = self._with_parts(name)
        standing = [thing.name for thing in self.things.values() if thing.name not in gone and gone & {*thing.needs}]
        if standing:
            return RejectedError(f"{standing} stand on {gone}")
        for part in gone:
            del self.things[part]
        return None

    def _with_parts(self, name: str) -> set[str]:
        parts = {thing.name for thing in self.things.values() if thing.whole == name}
        return {name}.union(*(self._with_parts(part) for part in parts))


def parse(lines: str | Iterable[str]) -> list[Thing]:
    """Return the things in lines such as ``b size=2 needs=a,c foreign``.

    A line may begin with the kind: ``setting``, ``limb`` or ``echo``. Words without ``=`` are
    ``foreign`` and ``automatic``.
    """
    if isinstance(lines, str):
        lines = lines.split("; ")
    return [_parse(line.split()) for line in lines if line.strip()]


def _parse(words: list[str]) -> Thing:
    kind = {"setting": Setting, "limb": Limb, "echo": Echo}.get(words[0], Thing)
    name, *rest = words if kind is Thing else words[1:]
    values: dict[str, Any] = {}
    types = {one.name: str(one.type) for one in fields(Thing)}
    for word in rest:
        field_name, found, value = word.partition("=")
        if not found:
            values["marked"] = False
            values["made_by_itself"] = word == "automatic"
        elif types[field_name].startswith("tuple"):
            values[field_name] = tuple(value.split(","))
        else:
            values[field_name] = int(value) if field_name == "size" else value
    return kind(name=name, **values)


def look_at(have: str) -> Observation:
    """Return what is seen of the things in the lines: those that are marked are ours, and the parts of ours."""
    things = {thing.key: thing for thing in parse(have)}
    owned = {key for key, thing in things.items() if thing.marked}
    owned |= {key for key, thing in things.items() if isinstance(thing, Limb) and thing.part_of() in owned}
    return Observation(things, frozenset(owned))


def plan_lines(plan: Plan) -> list[str]:
    """Return a line for each step that is taken at once, then what waits and what stands in the way."""
    steps: dict[int, list[str]] = {}
    signs = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
    for operation in plan.operations:
        steps.setdefault(operation.generation, []).append(f"{signs[operation.action]}{operation.key.name[0]}")
    lines = [" ".join(sorted(step)) for step in steps.values()]
    lines += sorted(f"?{pending.resource.key.name[0]}" for pending in plan.pending)
    return lines + sorted(f"!{conflict.key.name[0]}" for conflict in plan.conflicts)
