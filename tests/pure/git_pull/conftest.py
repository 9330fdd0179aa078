"""A daemon in a thread, on a node in memory, that follows a repository beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends import git_url
from reconciler.backends.git_remote import Origin
from reconciler.services.daemon import Settings
from reconciler.services.git_settings import GitSettings
from tests.pure.daemon.conftest import Running, Stage, node_text, stage_in, wait_for
from tests.repositories import Repository

PATH = "rendered/roof-1.yaml"
BOTH = ("fd00:6d65:7368:2::1/128", "fd00:6d65:7368:2::2/128")
"""What all documents have: not much is deleted from one to the next."""
ADDRESSES = tuple(f"fd00:6d65:7368:1::{number}/128" for number in range(1, 10))


def text(number: int) -> str:
    """Return a document of this node, one of several."""
    return node_text(*BOTH, ADDRESSES[number])


@dataclass
class Follower:
    """A repository with the node's first document, and a node that follows it."""

    repository: Repository
    stage: Stage
    settings: GitSettings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = GitSettings(Origin(git_url.parse(str(self.repository.folder)), "main"), PATH, 3600)

    def start(self, **changes: Any) -> Running:
        """Start a daemon, with other settings where they are named."""
        stage = self.stage
        settings = Settings(stage.state, stage.socket, git=replace(self.settings, **changes))
        stage.running.append(Running(settings))
        return stage.running[-1].ready()

    def restart(self, **changes: Any) -> Running:
        self.stage.running.pop().stop()
        return self.start(**changes)

    def reconcile(self) -> dict[str, Any]:
        """Have it fetched now, and return the status after that."""
        self.stage.cli("reconcile")
        return self.stage.status()

    def until(self, condition: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """Return the first status that the condition holds for."""
        found: list[dict[str, Any]] = []

        def holds() -> bool:
            found[:] = [self.stage.status()]
            return bool(condition(found[0]))

        wait_for(holds, what)
        return found[0]

    def at(self, commit: str) -> dict[str, Any]:
        """Return the status once the node is as a commit says."""

        def there(told: dict[str, Any]) -> bool:
            return told["sync"]["state"] == "synced" and (told["intent"]["commit"] or {}).get("id") == commit

        return self.until(there, f"commit {commit}")

    def holds(self, number: int) -> bool:
        """Return whether the node is what that document says."""
        there = {line.split()[1] for line in self.stage.addresses()}
        return there == {*BOTH, ADDRESSES[number]}

    def history(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.stage.status()["recent"] if one["event"] == event]


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follower]:
    stage = stage_in(tmp_path / "node", monkeypatch)
    repository = Repository(tmp_path / "fleet")
    repository.commit({PATH: text(0), "rendered/other.yaml": "x"})
    try:
        yield Follower(repository, stage)
    finally:
        stage.close()
