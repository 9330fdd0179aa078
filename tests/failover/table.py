"""The table of what was measured: ``docs/failover.json``, and ``docs/failover.md`` made from it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.failover.failures import BOUND_SECONDS, EVERY_SECONDS, FAILURES, GRE_CHECKS_EVERY, Gaps

DOCS = Path(__file__).parents[2] / "docs"
VALUES = DOCS / "failover.json"
DOCUMENT = DOCS / "failover.md"
_HEAD = f"""\
# When an exit fails

<!-- Made by `make failover` from what it measures. -->

For how long a client gets no answer from the Internet when the exit that it uses fails, and another exit serves its
prefix too. Measured in the labs [two-exits](../examples/lab/two-exits/lab.yaml) and, where there is GRE,
[three-exits](../examples/lab/three-exits/lab.yaml), with real babeld and the real daemon in each node, cables with a
hello a second, and health checks once a second of which three in a row must fail. The client sends an echo request
every {EVERY_SECONDS * 1000:.0f} ms; the longest time between two answers is what is written here. The promise, which \
the tests hold, is {BOUND_SECONDS:.0f} s.

What takes GRE is measured in an emulated machine, which is ten times as slow and more: there the health checks are
carried out every {GRE_CHECKS_EVERY}.
"""
_NOT_MEASURED = "not measured"
_LEAST_SECONDS = 0.1
"""What is shorter is the pace of the requests and of a machine that runs a whole mesh."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one failure, and on which kernel."""

    gaps: Gaps
    kernel: str

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept; tenths of a second are all that says something."""
        return {"broken": round(self.gaps.broken, 1), "healed": round(self.gaps.healed, 1), "kernel": self.kernel}

    def cells(self) -> tuple[str, str, str]:
        """Return it as the document shows it."""
        return _seconds(self.gaps.broken), _seconds(self.gaps.healed), self.kernel


def read(file: Path = VALUES) -> dict[str, Row]:
    """Return what was measured so far, by the names of the failures."""
    if not file.exists():
        return {}
    kept = json.loads(file.read_text())["failures"]
    return {name: Row(Gaps(one["broken"], one["healed"]), one["kernel"]) for name, one in kept.items()}


def row(gaps: Gaps) -> Row:
    """Return what was measured on this kernel, of which the first two numbers say enough."""
    return Row(gaps, ".".join(platform.release().split(".")[:2]))


def write(rows: Mapping[str, Row], file: Path = VALUES, document: Path | None = DOCUMENT) -> None:
    """Add rows to those that are kept, drop those of failures that are no more, and make the document anew."""
    merged = {**read(file), **rows}
    kept = {one.name: merged[one.name] for one in FAILURES if one.name in merged}
    text = json.dumps({"version": 1, "failures": {name: one.as_json() for name, one in kept.items()}}, indent=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
    if document is not None:
        document.write_text(text_of(read(file)))


def text_of(rows: Mapping[str, Row]) -> str:
    """Return the document."""
    lines = [
        "| what fails | until the client goes on | when it is well again | kernel |",
        "| --- | --- | --- | --- |",
    ]
    for failure in FAILURES:
        one = rows.get(failure.name)
        cells = (
            (_NOT_MEASURED, "", "")
            if one is None
            else (_seconds(one.gaps.broken), _seconds(one.gaps.healed), one.kernel)
        )
        lines.append(f"| {failure.words} | {' | '.join(cells)} |")
    return "\n".join((_HEAD, *lines, ""))


def _seconds(gap: float) -> str:
    return f"at most {_LEAST_SECONDS:g} s" if gap <= _LEAST_SECONDS else f"{gap:.1f} s"
