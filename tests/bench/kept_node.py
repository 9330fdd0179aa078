"""The namespace of this process, kept by the very loop of the daemon, without the waiting around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from intent.expansion import expand, references
from intent.loading import loads
from reconciler.backends.machine_clock import MachineClock
from reconciler.core.backend import Backend, News
from reconciler.core.desired import Desired
from reconciler.core.loop import Loop
from reconciler.core.reconcile import Rounds
from reconciler.services.applying_here import NoChecks
from reconciler.services.interpretation import NodeInterpreter, document
from reconciler.services.this_node import this_node
from tests.bench.timing import Cost, of_call

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptNode:
    """A loop, what it interprets node files with, and its ways to the kernel."""

    loop: Loop
    interpreter: NodeInterpreter
    backends: tuple[Backend, ...]

    def give(self, text: str) -> None:
        """Give it a node file, as read, and let it do what that leads to."""
        self.loop.give_file("node.yaml", document(loads(text.encode(), "node.yaml")))
        self.loop.settle()
        self.check()

    def full_round(self) -> None:
        """Have everything looked at, as the daemon does by the clock."""
        self.loop.hear(News(None))
        self.loop.settle()

    def check(self) -> None:
        """Make sure that the namespace is as it is to be. Raises AssertionError, with the troubles."""
        assert self.loop.in_sync, (self.loop.troubles, self.loop.seen)


@contextmanager
def kept_node(state: Path) -> Iterator[KeptNode]:
    """Give a loop in this namespace."""
    with this_node(state) as here, here.state.locked():
        interpreter = NodeInterpreter(here.resolvers)
        loop = Loop(interpreter, here.backends, here.state, here.history(), NoChecks(), MachineClock())
        yield KeptNode(loop, interpreter, here.backends)


def apply_once(text: bytes, state: Path) -> dict[str, Cost]:
    """Have this namespace made what a node file says, and verified, by a process that knows nothing of it.

    Returns what each phase costs, and ``all`` what they cost together: that is without ``load``, from the parsed file
    on.
    """
    found: dict[str, Cost] = {}

    def phase(name: str, work: Callable[[], T]) -> T:
        results: list[T] = []
        found[name] = of_call(lambda: results.append(work()))
        return results[0]

    node = phase("load", lambda: loads(text, "node.yaml"))
    with this_node(state) as here, here.state.locked():
        resolved = here.resolvers.resolve(references(node)).references
        rounds = Rounds(here.backends, here.state)
        desired = phase("expand", lambda: Desired(expand(node, resolved).by_key))
        seen = phase("look and diff", lambda: rounds.look(desired))
        done = phase("apply and verify", lambda: rounds.apply(seen, desired, time.monotonic))
    assert not done.failed, done.remaining.plan
    assert done.remaining.plan.empty
    counted = [cost for name, cost in found.items() if name != "load"]
    return {**found, "all": Cost(sum(one.wall for one in counted), sum(one.cpu for one in counted))}
