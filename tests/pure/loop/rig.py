"""A loop with all around it in memory: a clock to turn, a disk and a node that can fail, and death at any step.

Documents of the toy kind are lines as `tests.pure.core.thing.parse` reads them, after options and a bar where there are
any: ``confirm=60 checks=1 deletes=0.5 | a; b needs=a``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from string import Template
from typing import Any

from intent.care import care
from intent.checks import Check, Ping
from intent.expansion import expand
from intent.loading import loads
from intent.problems import IntentError, Problem
from intent.resources.resource import Request
from reconciler.backends.fake import FakeNode
from reconciler.core.backend import Backend, Dump, News, Partitions
from reconciler.core.checks import CheckResult
from reconciler.core.desired import Desired
from reconciler.core.errors import BackendError, StellwerkError
from reconciler.core.history import Head, chained, head_of
from reconciler.core.intents import Document, Intents
from reconciler.core.inventory import Inventory
from reconciler.core.loop import Loop
from reconciler.core.permission import Mode
from reconciler.core.status import status
from reconciler.core.suspension import Suspension
from reconciler.core.wanted import Wanted
from tests.pure.core.thing import Alter, Drop, Make, Thing, World, parse
from tests.pure.intent.conftest import resolved

MOST_TURNS_AT_ONCE = 40
"""How many turns may be due at one moment before a loop is held to spin."""


class DeathError(Exception):
    """The program is killed here."""


class FakeClock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self._now, self._wall, self._boot = 1000.0, 1_800_000_000.0, 1

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall

    def boot(self) -> str:
        return f"boot {self._boot}"

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._wall += seconds

    def advance_to(self, now: float) -> None:
        """Turn it to that very number, which a sum may miss by a hair."""
        self._wall += now - self._now
        self._now = now

    def set_wall(self, wall: float) -> None:
        """Set the time of day, as NTP or a person does."""
        self._wall = wall

    def reboot(self) -> None:
        self._now, self._wall, self._boot = 10.0, self._wall + 30, self._boot + 1


@dataclass
class Fate:
    """Counts the steps at which the program can be killed, and kills it at one of them."""

    steps: int = 0
    dies_at: int | None = None

    def step(self) -> None:
        self.steps += 1
        if self.dies_at is not None and self.steps >= self.dies_at:
            raise DeathError


@dataclass
class Disk:
    """What is kept. ``full`` are the parts that cannot be written: inventory, intents, suspension."""

    fate: Fate
    journal: list[str]
    inventory: Inventory = field(default_factory=Inventory)
    intents: Intents = field(default_factory=Intents)
    suspension: Suspension | None = None
    full: set[str] = field(default_factory=set)
    damaged: dict[str, StellwerkError] = field(default_factory=dict)

    def load(self) -> Inventory:
        self._read("inventory")
        return self.inventory

    def save(self, inventory: Inventory) -> None:
        self._write("inventory", inventory)

    def load_intents(self) -> Intents:
        self._read("intents")
        return self.intents

    def save_intents(self, intents: Intents) -> None:
        self._write("intents", intents)

    def load_suspension(self) -> Suspension | None:
        self._read("suspension")
        return self.suspension

    def save_suspension(self, suspension: Suspension | None) -> None:
        self._write("suspension", suspension)

    def _read(self, name: str) -> None:
        if name in self.damaged:
            raise self.damaged[name]

    def _write(self, name: str, value: Any) -> None:
        self.fate.step()
        if name in self.full:
            raise StellwerkError(f"{name}.json cannot be written: no space left on device; make room")
        self.damaged.pop(name, None)
        setattr(self, name, value)
        self.journal.append(name)
        self.fate.step()


class Chronicle:
    """A history in memory."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []
        self.full = False

    def append(self, fact: Mapping[str, Any], wall: float) -> None:
        if self.full:
            raise StellwerkError("history cannot be written: no space left on device")
        head = head_of(self.entries[-1]) if self.entries else Head()
        self.entries.append(chained(fact, head, wall))

    def recent(self, count: int) -> Sequence[Mapping[str, Any]]:
        return self.entries[-count:]

    def events(self) -> list[str]:
        return [entry["event"] for entry in self.entries]

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [entry for entry in self.entries if entry["event"] == event]


class FakeChecker:
    """Takes note of what is to be checked, one turn at a time."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.under_way: tuple[Sequence[Check], int] | None = None

    def start(self, checks: Sequence[Check], turn: int) -> None:
        assert checks
        if self.under_way is None:
            self.under_way = checks, turn
            self.starts.append(turn)


class Toys(World):
    """Things in memory. ``errors`` are given for requests about a name, ``forgets`` names what is done in vain.

    A request takes so many ``seconds``.
    """

    def __init__(self, fate: Fate, journal: list[str]) -> None:
        super().__init__()
        self.fate = fate
        self.journal = journal
        self.errors: dict[str, BackendError] = {}
        self.forgets: set[str] = set()
        self.tried: list[str] = []
        self.looks = 0
        self.listened: list[Mapping[str, Partitions]] = []
        self.after_request: Callable[[], None] = lambda: None
        self.seconds = 0.0
        self.after_seconds: Callable[[float], None] = lambda _: None

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        self.looks += 1
        return super().dump(wanted)

    def listen(self, parts: Mapping[str, Partitions]) -> None:
        self.listened.append(parts)

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> BackendError | None:
        assert isinstance(request, Make | Alter | Drop)
        name = request.name if isinstance(request, Drop) else request.thing.name
        self.fate.step()
        self.journal.append(f"request {name}")
        self.tried.append(name)
        self.after_seconds(self.seconds)
        if name in self.errors:
            return self.errors[name]
        before = dict(self.things)
        (answer,) = super().send([request])
        if name in self.forgets:
            self.things = before
        self.after_request()
        return answer


class RealNode(FakeNode):
    """A whole node, whose looks are counted by table."""

    def __init__(self, fate: Fate, journal: list[str]) -> None:
        super().__init__()
        self.fate = fate
        self.journal = journal
        self.dumps: list[str] = []

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        self.dumps += wanted
        return super().dump(wanted)

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> BackendError | None:
        self.fate.step()
        self.journal.append(f"request {type(request).__name__}")
        (answer,) = super().send([request])
        return answer


def document(text: str) -> Document:
    return Document("node.yaml", text, sha256(text.encode()).hexdigest())


def invalid(words: str) -> IntentError:
    return IntentError([Problem("node.yaml", 1, 1, words, "")])


class Interpreters:
    """What the documents refer to: the tables it lives on, and when it is to be asked for again."""

    def __init__(self) -> None:
        self.lives_on: Mapping[str, Partitions] = {}
        self.due_at = math.inf
        self.stays_due = False

    def due(self) -> float:
        return self.due_at

    def release(self) -> None:
        self.due_at = math.inf

    def refresh(self, now: float) -> bool:
        assert now >= self.due_at
        if not self.stays_due:
            self.due_at = math.inf
        return True


class ToyInterpreter(Interpreters):
    """Reads documents of toys. ``fails`` are errors by the text of a document, ``values`` stand in it as ``$name``."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: dict[str, Exception] = {}
        self.values: dict[str, str] = {}
        self.asked: list[str] = []
        self._known: dict[str, tuple[dict[str, str], Wanted]] = {}

    def interpret(self, document: Document, held: bool = False) -> Wanted:
        self.asked.append(document.text)
        if document.text in self.fails:
            raise self.fails[document.text]
        values, known = self._known.get(document.digest, (self.values, None))
        if known is not None and values == self.values:
            return known
        told = ", ".join(f"{name} is {value}" for name, value in self.values.items() if values.get(name) != value)
        wanted = self._read(replace(document, text=Template(document.text).substitute(self.values)))
        wanted = replace(wanted, document=document, because=told)
        self._known[document.digest] = dict(self.values), wanted
        return wanted

    def _read(self, document: Document) -> Wanted:
        options, _, lines = document.text.rpartition("|")
        given = dict(word.split("=") for word in options.split())
        checks = tuple(Ping(address=f"2001:db8::{number + 1}") for number in range(int(given.get("checks", 0))))
        confirm = int(given["confirm"]) if "confirm" in given else None
        share = float(given.get("deletes", 1))
        return Wanted(document, "toys", Desired(parse(lines)), confirm, checks, share)


class NodeFileInterpreter(Interpreters):
    """Reads real node files, with references resolved without a machine."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Wanted] = {}

    def interpret(self, document: Document, held: bool = False) -> Wanted:
        return self._known.get(document.digest) or self._known.setdefault(document.digest, self._read(document))

    def _read(self, document: Document) -> Wanted:
        node = loads(document.text.encode(), document.name)
        desired = Desired(expand(node, resolved(node, generated=True)))
        with_care = care(node)
        return Wanted(
            document, node.name, desired, with_care.confirm_seconds, with_care.checks, with_care.largest_deleted_share
        )


@dataclass
class Stage:
    """A loop and all around it. ``verdict`` answers checks at once: whether they pass, None leaves them under way.

    ``after_turn`` is done after each turn, such as what another program does.
    """

    backend: Backend
    interpreter: ToyInterpreter | NodeFileInterpreter
    fate: Fate
    journal: list[str]
    disk: Disk
    random: Callable[[], float] = lambda: 0.5
    clock: FakeClock = field(default_factory=FakeClock)
    history: Chronicle = field(default_factory=Chronicle)
    checker: FakeChecker = field(default_factory=FakeChecker)
    verdict: bool | None = None
    after_turn: Callable[[], None] = lambda: None
    mode: Mode = Mode.ENFORCE
    file_now: tuple[Document | None, str | None] = (None, None)

    def __post_init__(self) -> None:
        self.loop = self._new_loop()

    def _new_loop(self) -> Loop:
        return Loop(
            self.interpreter,
            [self.backend],
            self.disk,
            self.history,
            self.checker,
            self.clock,
            self.mode,
            self.random,
        )

    def restart(self, mode: Mode | None = None) -> None:
        """Begin again with what is on disk, and with the file as it was."""
        self.mode = mode or self.mode
        self.checker = FakeChecker()
        self.loop = self._new_loop()
        self.loop.give_file("node.yaml", *self.file_now)

    def file(self, text: str | None, problem: str | None = None) -> None:
        """Have the file hold a text, or be unusable."""
        self.file_now = None if text is None else document(text), problem
        self.loop.give_file("node.yaml", *self.file_now)

    def run(self, seconds: float = 0.0) -> int:
        """Let the loop do all that is due within the time; return how many turns that took. Fails where it spins."""
        end, at_once, turns = self.clock.now() + seconds, 0, 0
        while True:
            self.loop.turn()
            turns += 1
            self.after_turn()
            self._answer()
            due = self.loop.due()
            if due > end:
                self.clock.advance_to(end)
                return turns
            at_once = 0 if due > self.clock.now() else at_once + 1
            assert at_once <= MOST_TURNS_AT_ONCE, "the loop spins"
            self.clock.advance_to(max(due, self.clock.now()))

    def answer(self, passed: bool) -> None:
        """Give the results of the checks that are under way."""
        assert self.checker.under_way is not None
        checks, turn = self.checker.under_way
        self.checker.under_way = None
        reason = "answered" if passed else "no answer"
        self.loop.checked([CheckResult(check, passed, reason) for check in checks], turn)

    def _answer(self) -> None:
        if self.verdict is not None and self.checker.under_way is not None:
            self.answer(self.verdict)

    def hear(self, *tables: str, actor: str = "") -> None:
        self.loop.hear(News(frozenset(tables), dict.fromkeys(tables, actor) if actor else {}))

    @property
    def status(self) -> dict[str, Any]:
        return status(self.loop)


class ToyStage(Stage):
    """A loop that keeps toys."""

    backend: Toys
    interpreter: ToyInterpreter

    def __post_init__(self) -> None:
        super().__post_init__()
        self.backend.after_seconds = self.clock.advance

    def there(self) -> str:
        """Return the toys that are there, in lines."""
        return "; ".join(sorted(map(repr, self.backend.things.values()))).replace("marked=False", "foreign")

    def alter(self, name: str, actor: str = "", **values: Any) -> None:
        """Change a toy as another program would, and let the loop hear of it."""
        self.backend.things[name] = replace(self.backend.things[name], **values)
        self.hear("thing", actor=actor)

    def lose(self, name: str) -> None:
        """Delete a toy as another program would."""
        del self.backend.things[name]
        self.hear("thing")

    def put(self, line: str) -> None:
        """Put a toy there as another program would."""
        (made,) = parse(line)
        self.backend.things[made.name] = made
        self.hear("thing")

    def toy(self, name: str) -> Thing:
        return self.backend.things[name]


class RealStage(Stage):
    """A loop that keeps a whole node."""

    backend: RealNode


def toy_stage(**how: Any) -> ToyStage:
    fate, journal = Fate(), list[str]()
    return ToyStage(Toys(fate, journal), ToyInterpreter(), fate, journal, Disk(fate, journal), **how)


def real_stage(**how: Any) -> RealStage:
    """Return a loop on a node with two links and a stranger's things."""
    fate, journal = Fate(), list[str]()
    node = RealNode(fate, journal)
    for name in ("mesh0", "wan"):
        node.kernel.add_link(name, "veth", up=True)
    node.kernel.add_link("br-theirs", "bridge", up=True)
    return RealStage(node, NodeFileInterpreter(), fate, journal, Disk(fate, journal), **how)
