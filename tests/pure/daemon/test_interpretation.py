"""What a document asks for: the same value while nothing has changed, and what it refers to is watched meanwhile."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.digest import digest
from intent.loading import loads
from reconciler.backends.references import Resolvers
from reconciler.core.errors import StellwerkError
from reconciler.core.intents import Document
from reconciler.services.interpretation import NodeInterpreter, document
from tests.intents import careful_node_files
from tests.pure.daemon.conftest import ADDRESS, OTHER, Stage, node_text, wait_for
from tests.pure.docs.conftest import Kinds, Uplinks


def key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode() + "\n"


def wireguard(path: Path, name: str = "wg-a") -> Document:
    text = f'version: 1\nnode: a\nwireguard: [{{name: {name}, private_key: {{file: "{path}"}}}}]\n'
    return document(loads(text.encode(), "node.yaml"))


def written(path: Path, number: int) -> Path:
    path.write_text(key(number))
    path.chmod(0o600)
    return path


@pytest.fixture
def interpreter() -> NodeInterpreter:
    return NodeInterpreter(Resolvers(Kinds(), Uplinks()))


def test_nothing_changed_is_the_same_value(interpreter: NodeInterpreter, tmp_path: Path) -> None:
    asked = wireguard(written(tmp_path / "key", 1))
    assert interpreter.interpret(asked) is interpreter.interpret(asked)


def test_what_is_asked_for_again_is_the_very_same_object(interpreter: NodeInterpreter, tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    lines = ["version: 1", "node: a", "routes:", "  - kind: unreachable", "    from:"]
    lines += [f'      - "2001:db8:{number:x}::/48"' for number in range(1, 2001)]
    path.write_text("\n".join([*lines, ""]))
    before = interpreter.interpret(interpreter.read(str(path))).desired.by_key
    lines[1005] = '      - "fd00::/32"'
    path.write_text("\n".join([*lines, ""]))
    after = interpreter.interpret(interpreter.read(str(path))).desired.by_key
    assert [str(key) for key in after.keys() - before.keys()] == ["route 254 ::/0 fd00::/32 1024"]
    assert [str(key) for key in before.keys() - after.keys()] == ["route 254 ::/0 2001:db8:3e9::/48 1024"]
    assert all(after[key] is before[key] for key in after.keys() & before.keys())


def test_another_key_is_another_value(interpreter: NodeInterpreter, tmp_path: Path) -> None:
    asked = wireguard(written(tmp_path / "key", 1))
    before = interpreter.interpret(asked)
    written(tmp_path / "key", 2)
    after = interpreter.interpret(asked)
    assert before.desired != after.desired
    assert interpreter.interpret(asked) is after


def test_a_key_that_appears_mends_it(interpreter: NodeInterpreter, tmp_path: Path) -> None:
    asked = wireguard(tmp_path / "key")
    for _ in range(2):
        with pytest.raises(StellwerkError):
            interpreter.interpret(asked)
        assert interpreter.files == (str(tmp_path / "key"),)
    written(tmp_path / "key", 1)
    assert interpreter.interpret(asked).desired


def test_two_documents_in_turn_are_both_known_and_watched(interpreter: NodeInterpreter, tmp_path: Path) -> None:
    held = wireguard(written(tmp_path / "held", 1))
    refused = wireguard(tmp_path / "missing", "wg-b")
    wanted = interpreter.interpret(held)
    for _ in range(3):
        with pytest.raises(StellwerkError):
            interpreter.interpret(refused)
        assert interpreter.interpret(held) is wanted
        assert set(interpreter.files) == {str(tmp_path / "held"), str(tmp_path / "missing")}


def test_older_documents_are_forgotten(interpreter: NodeInterpreter, tmp_path: Path) -> None:
    for number in range(4):
        interpreter.interpret(wireguard(written(tmp_path / f"key{number}", number + 1), f"wg-{number}"))
    assert set(interpreter.files) == {str(tmp_path / "key2"), str(tmp_path / "key3")}


def test_the_text_is_that_of_the_document_that_was_asked_for(interpreter: NodeInterpreter, tmp_path: Path) -> None:
    asked = wireguard(written(tmp_path / "key", 1))
    other = document(loads(f"# a comment\n{asked.text}".encode(), "other.yaml"))
    assert other.digest == asked.digest
    assert interpreter.interpret(asked).document == asked
    assert interpreter.interpret(other).document == other


def test_a_refused_file_is_taken_on_when_its_key_appears(stage: Stage, tmp_path: Path) -> None:
    """The key of a document that the node is not held at yet is watched all the same."""
    real = stage.command_line
    path = tmp_path / "key"

    class Missing(Kinds):
        pass

    stage.start()
    looked: list[str] = []
    resolve = NodeInterpreter.interpret

    def interpret(self: NodeInterpreter, asked: Document, held: bool = False) -> Any:
        looked.append(asked.digest)
        wanted = resolve(self, asked, held)
        if "wireguard" in asked.text and not path.exists():
            raise StellwerkError(f"{path} cannot be read: No such file or directory")
        return wanted

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(NodeInterpreter, "interpret", interpret)
        more = f'wireguard: [{{name: wg-a, private_key: {{file: "{path}", generate: true}}}}]\n'
        stage.file.write_text(node_text(ADDRESS, OTHER, more=more))
        wait_for(lambda: "No such file" in str(stage.status()["health"]["reasons"]), "it is refused")
        written(path, 1)
        wait_for(lambda: len(stage.addresses()) == 2, "it is taken on")
    assert real.node is stage.node


# What a digest is of.


def shuffled(value: Any, order: random.Random) -> Any:
    """Return the same value with the fields of its mappings in another order."""
    if isinstance(value, dict):
        names = list(value)
        order.shuffle(names)
        return {name: shuffled(value[name], order) for name in names}
    return [shuffled(one, order) for one in value] if isinstance(value, list) else value


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(careful_node_files(), careful_node_files(), st.randoms(use_true_random=False))
def test_digests_are_equal_where_the_meaning_is(one: str, other: str, order: random.Random) -> None:
    first, second = (loads(text.replace("$folder", "/tmp/x").encode(), "node.yaml") for text in (one, other))
    assert (first == second) is (digest(first) == digest(second))
    text = json.dumps(shuffled(json.loads(one.replace("$folder", "/tmp/x")), order), indent=2)
    again = loads(f"# comment\n\n{text}\n".encode(), "elsewhere.yaml")
    assert digest(again) == digest(first)


@settings(derandomize=True, database=None, deadline=None, max_examples=100)
@given(careful_node_files(), st.data())
def test_any_other_value_is_another_digest(text: str, data: st.DataObject) -> None:
    """Take one thing away from a node file: it means something else, or it said what is so anyway."""
    values = json.loads(text.replace("$folder", "/tmp/x"))
    before = loads(json.dumps(values).encode(), "node.yaml")
    places = [(name, index) for name, value in values.items() if isinstance(value, list) for index in range(len(value))]
    if not places:
        return
    name, index = data.draw(st.sampled_from(places))
    del values[name][index]
    try:
        after = loads(json.dumps(values).encode(), "node.yaml")
    except Exception:  # noqa: BLE001
        return
    assert (digest(before) == digest(after)) is (before == after)
    assert digest(before) != digest(after)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("mtu: 1420", "", True),
        ("mtu: 1400", "", False),
        ("listen_port: 51820", "listen_port: 51821", False),
        ("peers: []", "", True),
    ],
)
def test_values_that_are_the_default_change_nothing(one: str, other: str, same: bool) -> None:
    found = [
        digest(
            loads(
                "version: 1\nnode: a\nwireguard:\n  - name: wg-a\n    private_key: {file: /k}\n"
                f"    {more}\n".encode(),
                "node.yaml",
            )
        )
        for more in (one, other)
    ]
    assert (found[0] == found[1]) is same
