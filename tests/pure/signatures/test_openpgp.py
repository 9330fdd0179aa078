"""OpenPGP signatures: only the keys of the policy, and only while they are good."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.backends.git_signatures import signer_of, vouched
from reconciler.core.signers import (
    ExpiredKeyError,
    NotAllowedError,
    Signer,
    SigningError,
    SigningPolicy,
    UnknownSignerError,
)
from tests.pure.signatures.conftest import OURS, Keys, Repository


def _policy(keys: Keys, name: str, *paths: str) -> SigningPolicy:
    return SigningPolicy((Signer(name, paths or ("**",), openpgp=str(keys.openpgp(name))),))


def test_a_good_signature_is_its_owner_s(repository: Repository, keys: Keys, policy: SigningPolicy) -> None:
    both = SigningPolicy((*policy.signers, *_policy(keys, "carol", OURS).signers))
    first = repository.commit("admin", {OURS: "1"})
    last = repository.commit(None, {OURS: "2"}, openpgp="carol")
    assert signer_of(repository.git, last, both) == "carol"
    assert vouched(repository.git, first, last, OURS, both) == "carol"
    with pytest.raises(UnknownSignerError):
        signer_of(repository.git, last, policy)
    with pytest.raises(NotAllowedError):
        vouched(repository.git, first, last, OURS, _policy(keys, "carol", "groups/**"))


def test_the_user_s_own_keyring_does_not_count(
    repository: Repository, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(keys.ring))
    keys.openpgp("mallory")
    last = repository.commit(None, {OURS: "1"}, openpgp="mallory")
    with pytest.raises(UnknownSignerError):
        signer_of(repository.git, last, _policy(keys, "carol"))


def test_an_expired_key_is_refused(repository: Repository, keys: Keys) -> None:
    keys.gpg("--faked-system-time", "20200101T000000", "--quick-generate-key", "Old <old@example.org>", "ed25519",
             "sign", "1d")  # fmt: skip
    keys.export("old")
    wrapper = repository.folder.parent / "gpg-of-2020"
    wrapper.write_text('#!/bin/sh\nexec gpg --batch --faked-system-time 20200101T010000 "$@"\n')
    wrapper.chmod(0o700)
    repository.do("config", "gpg.program", str(wrapper))
    last = repository.commit(None, {OURS: "1"}, openpgp="old")
    policy = SigningPolicy((Signer("Old", ("**",), openpgp=str(keys.folder / "old.asc")),))
    with pytest.raises(ExpiredKeyError, match="a key of Old, which has expired"):
        signer_of(repository.git, last, policy)


def test_a_revoked_key_is_refused(repository: Repository, keys: Keys) -> None:
    policy = _policy(keys, "dave")
    last = repository.commit(None, {OURS: "1"}, openpgp="dave")
    assert signer_of(repository.git, last, policy) == "dave"
    (certificate,) = (
        path for path in (keys.ring / "openpgp-revocs.d").iterdir() if b"dave@example.org" in path.read_bytes()
    )
    keys.gpg("--import", feed=certificate.read_bytes().replace(b":-----", b"-----"))
    keys.export("dave")
    with pytest.raises(ExpiredKeyError, match="revoked"):
        signer_of(repository.git, last, policy)


def test_files_that_hold_no_public_key_are_refused(repository: Repository, keys: Keys, tmp_path: Path) -> None:
    last = repository.commit("admin", {OURS: "1"})
    keys.openpgp("erin")
    (tmp_path / "secret.asc").write_bytes(keys.gpg("--armor", "--export-secret-keys", "erin@example.org"))
    (tmp_path / "nothing.asc").write_text("nothing")
    for name, words in (("secret", "a private key"), ("nothing", "no OpenPGP public key"), ("gone", "No such file")):
        policy = SigningPolicy((Signer("Erin", ("**",), openpgp=str(tmp_path / f"{name}.asc")),))
        with pytest.raises(SigningError, match=words):
            signer_of(repository.git, last, policy)


def test_no_agent_is_started_and_no_file_left(
    repository: Repository, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = _policy(keys, "carol")
    last = repository.commit(None, {OURS: "1"}, openpgp="carol")
    (tmp_path / "t").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    assert signer_of(repository.git, last, policy) == "carol"
    assert list((tmp_path / "t").iterdir()) == []
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "stellwerk-signers-" not in running
