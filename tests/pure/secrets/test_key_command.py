"""``stellwerk key``: what it writes, what it prints, and what it never does."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from intent.age_text import inlined
from intent.references import AgePrivateKey
from intent.resources.wireguard_names import key_bytes, key_text
from intent.secrets import PrivateKey
from reconciler import cli
from reconciler.backends import age_files
from reconciler.backends.age_references import AgeKeys
from tests.pure.secrets.conftest import KEY, Mine

Said = pytest.CaptureFixture[str]


def public(text: str) -> str:
    return key_text(PrivateKey(key_bytes(text.strip())).public)


def test_generate_writes_a_key_and_prints_its_public_half(tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "wg0"
    assert cli.run(["key", "generate", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out == public(path.read_text()) + "\n"
    before = path.read_bytes()
    assert cli.run(["key", "generate", str(path)]) == 4
    assert "never written over" in capsys.readouterr().err
    assert path.read_bytes() == before
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    assert cli.run(["key", "generate", str(link)]) == 4
    assert not (tmp_path / "elsewhere").exists()


def test_generate_for_a_node_leaves_no_key_in_the_open(mine: Mine, tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "links.age"
    assert cli.run(["key", "generate", "--to", mine.recipient, str(path)]) == 0
    key = AgeKeys().resolve(AgePrivateKey(inlined(path.read_bytes()))).value.key
    assert capsys.readouterr().out == key_text(key.public) + "\n"
    assert cli.run(["key", "generate", "--to", "age1no", str(tmp_path / "other.age")]) == 1
    assert not (tmp_path / "other.age").exists()


def test_a_preshared_key_has_no_public_half(tmp_path: Path, capsys: Said) -> None:
    assert cli.run(["key", "generate", "--preshared", str(tmp_path / "psk")]) == 0
    assert capsys.readouterr().out == ""
    assert len(key_bytes((tmp_path / "psk").read_text().strip())) == 32


def test_identity_and_its_public_half(tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "identity"
    monkeypatch.setenv("STELLWERK_IDENTITY", str(path))
    assert cli.run(["key", "identity"]) == 0
    recipient = capsys.readouterr().out
    assert path.stat().st_mode & 0o777 == 0o600
    assert cli.run(["key", "public", str(path)]) == 0
    assert capsys.readouterr().out == recipient
    assert cli.run(["key", "identity"]) == 4


def test_public_of_a_key(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "wg0").write_bytes(KEY + b"\n")
    assert cli.run(["key", "public", str(tmp_path / "wg0")]) == 0
    assert capsys.readouterr().out == public(KEY.decode()) + "\n"
    (tmp_path / "other").write_bytes(b"hunter2\n")
    assert cli.run(["key", "public", str(tmp_path / "other")]) == 1
    assert "hunter2" not in capsys.readouterr().err


def test_encrypt_takes_keys_for_several(mine: Mine, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "wg0").write_bytes(KEY)
    admin, recipient = age_files.new_identity()
    out = tmp_path / "wg0.age"
    words = ["key", "encrypt", "--to", mine.recipient, "--to", recipient, str(tmp_path / "wg0"), "--out", str(out)]
    assert cli.run(words) == 0
    for identity in (age_files.read_identity(mine.path), age_files.parse_identity(admin.encode(), "admin")):
        assert age_files.decrypt(out.read_bytes(), identity, "x", "y") == KEY
    assert cli.run(words) == 4
    assert KEY.decode() not in "".join(capsys.readouterr())


def test_encrypt_refuses_what_is_no_key_unless_asked(mine: Mine, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "text").write_bytes(b"hunter2")
    (tmp_path / "twice").write_bytes(mine.encrypted())
    out = str(tmp_path / "out.age")
    for name, words in (("text", "no WireGuard key"), ("twice", "an age file already")):
        assert cli.run(["key", "encrypt", "--to", mine.recipient, str(tmp_path / name), "--out", out]) == 1
        said = capsys.readouterr().err
        assert words in said
        assert "hunter2" not in said
    assert cli.run(["key", "encrypt", "--any", "--to", mine.recipient, str(tmp_path / "text"), "--out", out]) == 0
    assert cli.run(["key", "encrypt", str(tmp_path / "text"), "--out", out]) == 64


def test_what_is_inlined_is_base64_of_the_file(mine: Mine) -> None:
    assert base64.b64decode(inlined(mine.encrypted())).startswith(b"age-encryption.org/v1\n")
