"""One route of the file is another one: what that costs inside the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from intent.loading import loads
from reconciler.core import reconcile
from reconciler.core.diff import diff
from reconciler.services.interpretation import document
from tests.bench.case import Case
from tests.bench.findings import Finding, Measured
from tests.bench.inputs import node_file, prefixes
from tests.bench.kept_node import KeptNode, kept_node
from tests.bench.place import Place
from tests.bench.timing import Cost, of_call

CHANGE = "one route changed, inside"
DIFF = "one route changed, the diff"
RUNS = 7


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield the times of the steps from the changed text to what is to be sent."""
    sources = prefixes(size + RUNS)
    steps: dict[str, list[float]] = {"read": [], "interpret": [], "look and diff": []}
    diffs: list[float] = []
    with kept_node(place.state_folder) as node:
        node.give(node_file(sources[:size]))
        for run in range(1, RUNS + 1):
            changed = sources[:size]
            changed[size // 2] = sources[size + run - 1]
            with patch.object(reconcile, "diff", _timed(diff, diffs)):
                for step, cost in _step(node, node_file(changed)).items():
                    steps[step].append(cost.wall)
        node.check()
    for step, values in steps.items():
        yield Finding(CHANGE, size, step, "s", Measured.of(values))
    yield Finding(DIFF, size, "wall", "s", Measured.of(diffs))


def _step(node: KeptNode, text: str) -> dict[str, Cost]:
    """Look at the namespace with a changed file in mind, and return what each step took; change nothing."""
    found: list[Any] = []

    def took(work: Callable[[], Any]) -> Cost:
        return of_call(lambda: found.append(work()))

    read = took(lambda: document(loads(text.encode(), "node.yaml")))
    interpreted = took(lambda: node.interpreter.interpret(found[-1]))
    looked = took(lambda: node.loop.rounds.look(found[-1].desired))
    assert len(found[-1].plan.operations) == 2, "one to add, one to delete"
    return {"read": read, "interpret": interpreted, "look and diff": looked}


def _timed(work: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        begun = time.perf_counter()
        result = work(*arguments, **options)
        seconds.append(time.perf_counter() - begun)
        return result

    return timed


CASE = Case(
    "changes",
    measure,
    {
        CHANGE: "the daemon's loop is in sync, and one source prefix in the middle of the file is another one: reading"
        " the text, interpreting it, looking and comparing, step by step",
        DIFF: "of that, the comparison of what is desired with what was seen (`diff`)",
    },
)
