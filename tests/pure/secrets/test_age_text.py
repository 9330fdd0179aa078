"""An age file in a node file: what is taken, and that nothing secret is repeated when it is not."""

from __future__ import annotations

import base64

import pytest

from intent.age_text import LONGEST_BYTES, binary, inlined, stanzas
from intent.document import Node
from intent.expansion import references
from intent.fleet.repository import read_fleet_from
from intent.loading import loads
from intent.problems import IntentError
from intent.references import AgePresharedKey, AgePrivateKey
from reconciler.backends import age_files
from reconciler.core.errors import RejectedError
from tests.pure.secrets.conftest import KEY, Mine

PEER = "hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="


def node(private_key: str, preshared_key: str = "{file: /p}") -> Node:
    return loads(
        f"""\
version: 1
node: a
wireguard:
  - name: wg0
    private_key: {private_key}
    peers: [{{public_key: "{PEER}", preshared_key: {preshared_key}}}]
""",
        "node.yaml",
    )


def refused(private_key: str) -> str:
    with pytest.raises(IntentError) as found:
        node(private_key)
    return str(found.value)


def test_an_age_file_armored_or_not_is_one_line(mine: Mine) -> None:
    content = mine.encrypted()
    line = inlined(content)
    assert "\n" not in line
    assert base64.b64decode(line) == content
    armored = mine.encrypted(armored=True)
    assert base64.b64decode(inlined(armored)) == binary(armored)
    assert "X25519" in stanzas(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no age file"),
        (KEY, "a key that is not encrypted"),
        (b"age-encryption.org/v1\n", "damaged"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl", "no end"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n!\n-----END AGE ENCRYPTED FILE-----", "no base64"),
        (b"age-encryption.org/v1\n" + bytes(LONGEST_BYTES), "longer than 64 KiB"),
    ],
)
def test_what_is_no_age_file_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as found:
        inlined(content)
    assert KEY.decode() not in str(found.value)


def test_both_kinds_of_keys_may_be_age_files(mine: Mine) -> None:
    line = inlined(mine.encrypted())
    found = references(node(f'{{age: "{line}"}}', "{age: /etc/stellwerk/psk.age}"))
    assert AgePrivateKey(line) in found
    assert AgePresharedKey("/etc/stellwerk/psk.age") in found
    assert AgePrivateKey(line).assumed() == AgePrivateKey(line).assumed()
    assert line not in repr(found)


def test_base64_of_an_armored_file_is_the_same_reference(mine: Mine) -> None:
    armored = mine.encrypted(armored=True)
    assert AgePrivateKey(inlined(armored)) in references(node(f'{{age: "{base64.b64encode(armored).decode()}"}}'))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (f'{{age: "{KEY.decode()}"}}', "looks like the key itself"),
        ('{age: "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"}', "looks like an identity"),
        ("{age: secrets/berlin-7/links.age}", "`stellwerk render` writes the file's content in its place"),
        ("{age: hunter2hunter2}", "what is written is not shown"),
        ("{age: 7}", "must be text"),
        ("{}", "needs `file` or `age`"),
        ("{generate: true}", "needs `file` or `age`"),
        ("{file: /k, age: /k.age}", "one of `file` and `age`, not both"),
        ("{age: /k.age, generate: true}", "must not have `generate` with `age`"),
        ("{aeg: /k.age}", "did you mean `age`"),
        ("{age: /../k.age}", "without `..`"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(written: str, words: str) -> None:
    said = refused(written)
    assert words in said
    assert "node.yaml:5:" in said
    for secret in (KEY.decode(), "AGE-SECRET-KEY-1Q", "hunter2"):
        assert secret not in said


def test_a_recipient_for_whom_to_encrypt_is_not_an_identity() -> None:
    line, recipient = age_files.new_identity()
    with pytest.raises(RejectedError, match="looks like an identity") as found:
        age_files.encrypt(KEY, [line])
    assert line not in str(found.value)
    with pytest.raises(RejectedError, match="no recipient"):
        age_files.encrypt(KEY, [recipient[:-1]])


def test_a_fleet_s_document_has_the_content_and_never_a_key_by_mistake(mine: Mine) -> None:
    files = {
        "fleet.yaml": b"version: 1\nfleet: f\n",
        "nodes/a.yaml": b"wireguard: [{name: wg0, private_key: {age: secrets/a.age}}]\n",
        "nodes/b.yaml": b"wireguard: [{name: wg0, private_key: {age: " + KEY + b"}}]\n",
        "nodes/c.yaml": b"wireguard: [{name: wg0, private_key: {age: secrets/c.age}}]\n",
        "secrets/a.age": mine.encrypted(armored=True),
        "secrets/c.age": KEY,
    }
    fleet = read_fleet_from(files, "fleet")
    rendered = fleet.render("a")
    wanted = AgePrivateKey(inlined(files["secrets/a.age"]))
    assert wanted in references(rendered.node)
    assert wanted in references(loads(rendered.text, "a.yaml"))
    for name, words in (("b", "looks like the key itself"), ("c", "a key that is not encrypted")):
        with pytest.raises(IntentError, match=words) as found:
            fleet.render(name)
        assert f"nodes/{name}.yaml:1:" in str(found.value)
        assert KEY.decode() not in str(found.value)
