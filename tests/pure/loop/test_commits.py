"""Documents of commits: who asked for what is kept, told and shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from intent.problems import IntentError
from reconciler.core.commits import Commit
from reconciler.core.intents import Document
from tests.pure.loop.rig import ToyStage, document, invalid

ADA = Commit("a" * 40, "Ada <ada@example.org>", "Begin", 1.7e9, "ada")
BOB = Commit("b" * 40, "Bob <bob@example.org>", "Go on", 1.7e9 + 60)


def of(commit: Commit, text: str) -> Document:
    return replace(document(text), commit=commit)


@pytest.fixture
def followed(toys: ToyStage) -> ToyStage:
    toys.loop.git = {"problem": None}
    toys.loop.give_file("node.yaml", of(ADA, "a; b"))
    toys.run(1)
    return toys


def test_what_is_done_says_who_asked_for_it(followed: ToyStage) -> None:
    (changed,) = followed.history.of("changed")
    assert (changed["commit"], changed["author"], changed["signer"]) == (ADA.id, ADA.author, "ada")
    assert changed["path"] == "node.yaml"
    (adopted,) = followed.history.of("adopted")
    assert adopted["digest"] == document("a; b").digest
    followed.loop.give_file("node.yaml", of(BOB, "a; c"))
    followed.run(1)
    changed = followed.history.of("changed")[-1]
    assert changed["commit"] == BOB.id
    assert "signer" not in changed
    assert followed.status["intent"]["commit"] == BOB.to_json()
    assert followed.status["git"]["behind"] is None


def test_what_is_wrong_with_a_commit_is_told_with_its_author(followed: ToyStage) -> None:
    followed.loop.give_file("node.yaml", None, "node.yaml:1:1: bad", BOB)
    followed.run(1)
    (refused,) = followed.history.of("refused")
    assert (refused["commit"], refused["author"]) == (BOB.id, BOB.author)
    assert "signer" not in refused
    assert followed.there() == "a; b"
    assert followed.status["intent"]["commit"]["id"] == ADA.id
    since = followed.status["git"]["behind"]["since"]
    followed.run(600)
    assert followed.status["git"]["behind"] == {"since": since, "reason": "node.yaml:1:1: bad"}


def test_a_refused_document_names_its_own_commit(followed: ToyStage) -> None:
    followed.interpreter.fails["a; c"] = invalid("no such uplink")
    followed.loop.give_file("node.yaml", of(BOB, "a; c"))
    followed.run(1)
    (refused,) = followed.history.of("refused")
    assert (refused["commit"], refused["digest"]) == (BOB.id, document("a; c").digest)
    assert isinstance(followed.interpreter.fails["a; c"], IntentError)
    assert "no such uplink" in followed.status["git"]["behind"]["reason"]


def test_the_same_words_of_another_commit_are_that_one_s(followed: ToyStage) -> None:
    followed.loop.give_file("node.yaml", of(BOB, "a; b"))
    followed.run(1)
    assert followed.status["intent"]["commit"]["id"] == BOB.id
    followed.restart()
    followed.lose("a")
    followed.run(1)
    assert followed.status["intent"]["commit"]["id"] == BOB.id
    assert followed.history.of("changed")[-1]["commit"] == BOB.id


def test_a_trial_and_its_end_name_the_commit(followed: ToyStage) -> None:
    followed.loop.give_file("node.yaml", of(BOB, "confirm=30 | a; c"))
    followed.run(60)
    for event in ("armed", "rolled back"):
        assert followed.history.of(event)[-1]["commit"] == BOB.id
    assert followed.status["intent"]["commit"]["id"] == ADA.id
    assert followed.status["git"]["behind"]["reason"].startswith("not confirmed in time")
