"""What no news tell of is looked at by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from reconciler.core import agenda
from reconciler.core.backend import Dump, Partitions
from reconciler.core.errors import BackendError
from tests.pure.daemon.conftest import Silent, Stage, wait_for


class Quiet(Silent):
    """Would tell of rules."""

    covers: ClassVar[frozenset[str]] = frozenset({"rule"})


def test_tables_of_which_not_every_change_is_told_are_looked_at_by_the_clock(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agenda, "SLOW_LOOK_SECONDS", 0.02)
    looks: list[set[str]] = []
    dump = stage.node.dump

    def watched(wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        looks.append(set(wanted))
        return dump(wanted)

    monkeypatch.setattr(stage.node, "dump", watched)
    monkeypatch.setattr(stage.node, "events", Quiet)
    stage.start()
    # The node file is read once more after the start, which has everything looked at.
    wait_for(
        lambda: len(looks) > 3 and all("rule" not in tables and "link" in tables for tables in looks[-3:]),
        "looks at nothing but what has no news",
    )
