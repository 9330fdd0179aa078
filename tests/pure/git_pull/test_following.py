"""A node follows a repository: what is pushed is done, and what is wrong with it changes nothing."""

from __future__ import annotations

from tests.pure.git_pull.conftest import PATH, Follower, text


def test_what_is_pushed_is_done_and_says_who_asked(follower: Follower) -> None:
    first = follower.repository.head()
    follower.start()
    status = follower.at(first)
    assert follower.holds(0)
    assert status["intent"]["file"] == PATH
    second = follower.repository.commit({PATH: text(1)}, "Bob", "Another address")
    status = follower.reconcile()
    assert follower.holds(1)
    assert status["intent"]["commit"]["id"] == second
    assert status["intent"]["commit"]["author"] == "Bob <bob@example.org>"
    assert status["git"]["behind"] is None
    assert status["git"]["problem"] is None
    assert status["health"]["state"] == "healthy"
    changed = follower.history("changed")[-1]
    assert (changed["commit"], changed["author"]) == (second, "Bob <bob@example.org>")


def test_what_concerns_others_changes_nothing_here(follower: Follower) -> None:
    first = follower.repository.head()
    follower.start()
    follower.at(first)
    rounds = len(follower.stage.status()["recent"])
    newest = follower.repository.commit({"rendered/other.yaml": "y"}, "Bob")
    status = follower.reconcile()
    assert status["git"]["newest"]["id"] == newest
    assert status["git"]["behind"] is None
    assert status["intent"]["commit"]["id"] == first
    assert len(status["recent"]) == rounds
