"""Repositories with signed commits: real keys of ssh-keygen and gpg, made once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.backends.git import Git
from reconciler.core.signers import Signer, SigningPolicy

OURS = "rendered/berlin-7.yaml"
OTHER = "rendered/hamburg-3.yaml"
_CLEAN = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_COMMITTER_NAME": "Somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.org",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "LC_ALL": "C",
}


@dataclass
class Keys:
    """SSH keys by name, and a keyring of gpg."""

    folder: Path

    def ssh(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        return path

    def public(self, name: str) -> str:
        return self.ssh(name).with_suffix(".pub").read_text().strip()

    @property
    def ring(self) -> Path:
        ring = self.folder / "ring"
        ring.mkdir(0o700, exist_ok=True)
        return ring

    def gpg(self, *arguments: str, feed: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
        run = subprocess.run(
            command, input=feed, capture_output=True, check=True, env={**_CLEAN, "GNUPGHOME": str(self.ring)}
        )
        return run.stdout

    def openpgp(self, name: str, *options: str) -> Path:
        """Return the file with the public key of a name, made when there is none."""
        path = self.folder / f"{name}.asc"
        if not path.exists():
            self.gpg(*options, "--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "sign", "never")
            self.export(name)
        return path

    def export(self, name: str) -> Path:
        path = self.folder / f"{name}.asc"
        path.write_bytes(self.gpg("--armor", "--export", f"{name}@example.org"))
        return path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    made = Keys(tmp_path_factory.mktemp("k"))
    yield made
    subprocess.run(["gpgconf", "--kill", "all"], env={**_CLEAN, "GNUPGHOME": str(made.ring)}, check=True)


@dataclass
class Repository:
    """A repository, with what a person does in it."""

    folder: Path
    keys: Keys
    git: Git = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.git = Git(self.folder)
        self.do("init", "-q", "-b", "main")

    def do(self, *arguments: str, feed: bytes = b"", variables: Mapping[str, str] | None = None) -> str:
        environment = {**_CLEAN, "GNUPGHOME": str(self.keys.ring), **(variables or {})}
        run = subprocess.run(
            ["git", "-C", self.folder, *arguments], input=feed, capture_output=True, env=environment, check=False
        )
        assert run.returncode == 0, run.stderr.decode()
        return run.stdout.decode().strip()

    def signing(self, ssh: str | None, openpgp: str | None = None) -> tuple[str, ...]:
        """Return the options of git with which a commit is signed, or not."""
        if openpgp is not None:
            return ("-c", f"user.signingKey={openpgp}@example.org", "-c", "commit.gpgSign=true")
        if ssh is None:
            return ("-c", "commit.gpgSign=false")
        key = str(self.keys.ssh(ssh))
        return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "commit.gpgSign=true")

    def commit(self, by: str | None, files: Mapping[str, str], openpgp: str | None = None) -> str:
        """Commit the files; return the commit's name."""
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self.do("add", "-A")
        self.do(*self.signing(by, openpgp), "commit", "-q", "--allow-empty", "-m", "a change")
        return self.head()

    def merge(self, by: str | None, branch: str, *options: str) -> str:
        self.do(*self.signing(by), "merge", "-q", "--no-ff", *options, "-m", "a merge", branch)
        return self.head()

    def head(self) -> str:
        return self.do("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, keys: Keys) -> Repository:
    return Repository(tmp_path / "fleet", keys)


@pytest.fixture
def policy(keys: Keys) -> SigningPolicy:
    """Return a community with an admin, our operator and somebody else's."""
    return SigningPolicy(
        (
            Signer("the admin", ("**",), ssh=keys.public("admin")),
            Signer("Ada", ("rendered/berlin-7.yaml", "nodes/berlin-7.yaml"), ssh=keys.public("ada")),
            Signer("Bob", ("rendered/hamburg-*.yaml",), ssh=keys.public("bob")),
        )
    )
