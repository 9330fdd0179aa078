"""An interface on which babeld speaks, with its parameters (babeld(8), section Interface configuration)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from intent.resources.babel_wire import BabelContext, InterfaceRow, daemon_key, flush_is_safe
from intent.resources.resource import Change, Key, Request, Resource

Options = tuple[tuple[str, str], ...]
"""babeld's parameters in its own spelling and in the order they are sent: ``(("type", "tunnel"), …)``."""


@dataclass(frozen=True, slots=True)
class AddBabelInterface(Request):
    """Make babeld speak on an interface; it answers ``ok`` and ignores the options when it knows the interface."""

    socket: str
    name: str
    options: Options

    def command(self) -> bytes:
        """Return the line to send. Raises ValueError where a word would be read as two."""
        words = ["interface", self.name, *(word for option in self.options for word in option)]
        for word in words:
            if not word or not word.isprintable() or any(mark in word for mark in ' \t"#\\'):
                raise ValueError(f"{word!r} cannot be said to babeld as one word")
        return " ".join(words).encode()


@dataclass(frozen=True, slots=True)
class FlushBabelInterface(Request):
    """Make babeld forget an interface and its neighbours. Never sent to a babeld before 1.14."""

    socket: str
    name: str


@dataclass(frozen=True, slots=True)
class BabelInterface(Resource):
    """An interface of babeld.

    babeld does not tell an interface's options: what is observed of them is what the inventory remembers that we
    sent. It cannot change them either. From 1.14 on the interface is flushed and added again; before, that leaves
    neighbours pointing to freed memory, so it takes a restart of babeld.

    Options that are not remembered are unknown. Of an interface that babeld's own configuration names they are the
    operator's and count as equal. Otherwise somebody said them at the socket, perhaps we, and they count as
    different. Where it cannot be seen what babeld was started with (``configured`` is None) they count as equal.

    ``attached`` tells an observed interface from what is left of one whose link is gone: before 1.14 that has the
    old options and comes back to life with them.
    """

    name: str
    socket: str
    options: Options | None = ()
    version: str | None = None
    configured: bool | None = None
    attached: bool = True
    fence: tuple[Key, ...] = ()

    table: ClassVar[str] = "babel"
    partitioned: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ("options", "attached")
    replace_on: ClassVar[frozenset[str]] = frozenset({"options"})
    inventoried: ClassVar[bool] = True
    # What the node file asks for may be there already, from babeld's own configuration or a lost inventory.
    adopts: ClassVar[bool] = True

    @property
    def key(self) -> Key:
        """The name of the link."""
        return Key("babel interface", (self.name,))

    def describe(self) -> str:
        """Return babeld's own line."""
        return " ".join(("babel interface", self.name, *(w for option in self.options or () for w in option)))

    def requires(self) -> tuple[Key, ...]:
        """Return the link and the daemon."""
        return (Key("link", (self.name,)), daemon_key(self.socket))

    def part_of(self) -> Key | None:
        """Return the link: without it babeld's entry is down and does nothing."""
        return Key("link", (self.name,))

    def partition(self) -> str:
        """Return the socket: no other babeld is spoken to."""
        return self.socket

    def automatic(self) -> bool:
        """Return whether it is not known to be from us: babeld may have it again after a restart by itself."""
        return self.version is not None and self.options is None

    def keeps(self) -> Mapping[Key, str]:
        """Return the rules around the interface: while babeld speaks on it, neighbours send traffic to it."""
        return dict.fromkeys(self.fence, f"babeld still speaks on {self.name}") if self.attached else {}

    def replaced_through(self) -> Key | None:
        """Return the daemon when this observed interface's babeld must not be told to flush it."""
        return None if flush_is_safe(self.version or "") else daemon_key(self.socket)

    def changes(self, observed: Self) -> dict[str, Change]:
        """Return the options that differ from those it has, in whatever order, and whether its link is gone."""
        changes = {}
        if self.options is not None and self._differ(self.options, observed):
            changes["options"] = Change(observed.options, self.options)
        if not observed.attached:
            changes["attached"] = Change(observed.attached, self.attached)
        return changes

    @staticmethod
    def _differ(options: Options, observed: BabelInterface) -> bool:
        if observed.options is None:
            return observed.configured is False
        return dict(options) != dict(observed.options)

    def show(self, field: str) -> str:
        """Return the options as babeld spells them."""
        if field == "attached":
            return "there" if self.attached else "gone"
        if field != "options":
            return str(getattr(self, field))
        if self.options is None:
            return "unknown"
        return " ".join(word for option in self.options for word in option) or "defaults"

    def recall(self, remembered: Mapping[str, Any]) -> Self:
        """Return this observed interface with the options that we sent, unless babeld has passed over them."""
        options = remembered.get("options")
        if options is None or (self.configured and not flush_is_safe(self.version or "")):
            return self
        fence = tuple(Key(space, tuple(name)) for space, *name in remembered.get("fence", ()))
        return replace(self, options=tuple((str(option), str(value)) for option, value in options), fence=fence)

    def remember(self, observed: Self | None) -> dict[str, Any] | None:
        """Return the options that are sent, to whom, and the rules that must stay as long as the interface."""
        return {
            "socket": self.socket,
            "options": [list(option) for option in self.options or ()],
            "fence": [[key.space, *key.name] for key in self.fence],
        }

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the interface in a row, None for what is left of one whose link is gone and that can be flushed.

        babeld keeps such an entry, down, until its restart.
        """
        if not isinstance(row, InterfaceRow):
            return None
        attached = row.up or not isinstance(context, BabelContext) or row.name in context.links
        if not attached and flush_is_safe(row.version):
            return None
        return cls(row.name, row.socket, None, row.version, row.configured, attached)

    def create(self) -> tuple[Request, ...]:
        """Return the request that adds the interface."""
        return (AddBabelInterface(self.socket, self.name, self.options or ()),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that adds an interface whose link was gone: babeld takes nothing else for a known one."""
        return self.create()

    def delete(self) -> tuple[Request, ...]:
        """Return the request that flushes it, nothing where the restart of babeld removes it."""
        return (FlushBabelInterface(self.socket, self.name),) if flush_is_safe(self.version or "") else ()
