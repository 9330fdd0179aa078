"""Opening the keys of a node: with its identity, and what is said when that does not work."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from intent.age_text import inlined
from intent.references import AgePresharedKey, AgePrivateKey
from intent.resources.wireguard_names import key_bytes
from intent.secrets import PresharedKey, PrivateKey
from reconciler.backends import age_files
from reconciler.backends.age_references import AgeKeys
from reconciler.core.errors import RejectedError, UnsupportedError
from tests.pure.secrets.conftest import KEY, Mine

VALUE = key_bytes(KEY.decode())


def opened(content: bytes) -> object:
    return AgeKeys().resolve(AgePrivateKey(inlined(content))).value.key


def refusal(content: bytes) -> str:
    with pytest.raises(RejectedError) as found:
        opened(content)
    assert KEY.decode() not in str(found.value)
    return str(found.value)


def test_keys_are_opened_from_the_node_file_and_from_files(mine: Mine, tmp_path: Path) -> None:
    assert opened(mine.encrypted()) == PrivateKey(VALUE)
    for armored in (False, True):
        path = tmp_path / f"psk-{armored}.age"
        path.write_bytes(mine.encrypted(armored=armored))
        assert AgeKeys().resolve(AgePresharedKey(str(path))).value == PresharedKey(VALUE)
        assert AgeKeys().file(AgePresharedKey(str(path))) == str(path)
    assert AgeKeys().file(AgePrivateKey(inlined(mine.encrypted()))) == str(mine.path)


def test_a_file_for_somebody_else_says_for_whom_to_encrypt_it(mine: Mine) -> None:
    other = age_files.new_identity()[1]
    said = refusal(age_files.encrypt(KEY, [other]))
    assert f"encrypted for somebody else: this node's identity {mine.recipient}" in said
    assert f"stellwerk key encrypt --to '{mine.recipient}'" in said


def test_damaged_files_and_files_without_a_key_are_refused(mine: Mine, tmp_path: Path) -> None:
    assert "damaged" in refusal(mine.encrypted()[:-3])
    assert "no WireGuard key in it" in refusal(mine.encrypted(b"hunter2"))
    assert "hunter2" not in refusal(mine.encrypted(b"hunter2"))
    with pytest.raises(RejectedError, match="all zero"):
        AgeKeys().resolve(AgePresharedKey(inlined(mine.encrypted(b"A" * 43 + b"="))))
    with pytest.raises(RejectedError, match="no such age file"):
        AgeKeys().resolve(AgePrivateKey(str(tmp_path / "gone.age")))
    (tmp_path / "plain.age").write_bytes(KEY)
    with pytest.raises(RejectedError, match="a key that is not encrypted") as found:
        AgeKeys().resolve(AgePrivateKey(str(tmp_path / "plain.age")))
    assert KEY.decode() not in str(found.value)


def test_an_identity_that_others_can_read_is_refused(mine: Mine) -> None:
    content = mine.encrypted()
    for mode in (0o604, 0o640):
        mine.path.chmod(mode)
        assert "chmod 600" in refusal(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "holds no identity"), ("hunter2\n", ":1: this line is no age identity"), ("AGE-SECRET-KEY-1X", ":1:")],
)
def test_a_wrong_identity_is_refused(mine: Mine, content: str, words: str) -> None:
    encrypted = mine.encrypted()
    mine.path.write_text(content)
    said = refusal(encrypted)
    assert words in said
    assert "hunter2" not in said
    mine.path.unlink()
    assert f"stellwerk key identity {mine.path}" in refusal(encrypted)


def test_an_ssh_key_is_an_identity_too(mine: Mine, tmp_path: Path) -> None:
    for name, options in (("good", ("-N", "")), ("typed", ("-N", "hunter2")), ("rsa", ("-N", "", "-t", "rsa"))):
        kind = () if "-t" in options else ("-t", "ed25519")
        subprocess.run(["ssh-keygen", "-q", *kind, *options, "-C", "", "-f", tmp_path / name], check=True)
    public = (tmp_path / "good.pub").read_text().strip()
    assert age_files.read_identity(tmp_path / "good").recipients == (public,)
    content = age_files.encrypt(KEY, [public])
    mine.path.write_bytes((tmp_path / "good").read_bytes())
    assert opened(content) == PrivateKey(VALUE)
    for name, words in (("typed", "passphrase"), ("rsa", "ed25519, the only type")):
        with pytest.raises(RejectedError, match=words):
            age_files.read_identity(tmp_path / name)


def test_the_program_age_opens_what_we_encrypt_and_the_other_way_round(mine: Mine, tmp_path: Path) -> None:
    for armored in (False, True):
        (tmp_path / "ours.age").write_bytes(mine.encrypted(armored=armored))
        theirs = subprocess.run(["age", "-d", "-i", mine.path, tmp_path / "ours.age"], capture_output=True, check=True)
        assert theirs.stdout == KEY + b"\n"
    for options in ((), ("-a",)):
        made = subprocess.run(
            ["age", *options, "-r", mine.recipient], input=KEY, capture_output=True, check=True
        ).stdout
        assert opened(made) == PrivateKey(VALUE)


def test_without_pyrage_it_says_which_extra(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    content = inlined(mine.encrypted())

    def missing(name: str) -> ModuleType:
        if name == "pyrage":
            raise ImportError(name)
        return importlib.import_module(name)

    monkeypatch.setattr("reconciler.backends.age_files.import_module", missing)
    with pytest.raises(UnsupportedError, match=r"stellwerk\[age\]"):
        AgeKeys().resolve(AgePrivateKey(content))
