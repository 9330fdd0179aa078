"""Who signed the commits of a git repository, told by git with ``ssh-keygen`` and ``gpg``.

Nothing counts but the policy: git gets a file of allowed signers and a keyring that are made for the one call and hold
only the policy's keys, whatever its own configuration, that of the repository or the user's keyring say. Replaced
objects, grafts and notes are not looked at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from intent.display import printable
from reconciler.backends.git import Git, GitError
from reconciler.core import signers
from reconciler.core.commits import Commit
from reconciler.core.signers import Signer, SigningPolicy

MOST_STEPS = 1000
"""How many changes of one path are looked at between two commits."""
_GPG_SECONDS = 30.0
_LONGEST_KEY_FILE = 1 << 20
_SSH_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
# No agent, no key server, no old digest.
_GPG_SETTINGS = (
    "no-autostart\nno-auto-key-retrieve\nno-auto-key-import\nno-auto-key-locate\ndisable-dirmngr\n"
    "weak-digest SHA1\nno-tty\nbatch\n"
)
_TOLD = "%H%x00%an <%ae>%x00%s%x00%ct"
_FIELDS = f"{_TOLD}%x00%G?%x00%GF%x00%GP"


def signer_of(git: Git, commit: str, policy: SigningPolicy) -> str:
    """Return the name of who signed a commit. Raises SignatureError and GitError."""
    with _checking(git, policy) as check:
        return check.signer(commit).name


def vouched(git: Git, accepted: str | None, new: str, path: str, policy: SigningPolicy) -> str | None:
    """Return who vouches for a path as it is in the commit ``new``; ``None`` where it is as in ``accepted``.

    Every commit between the two that changed the path, along first parents, must be signed by somebody who may sign
    that path, and ``accepted`` must be on that way. What somebody else changed does no harm once somebody who may has
    put back just what was good before. Without an accepted commit the newest one that changed the path must be signed.

    Raises SignatureError: UnsignedError, UnknownSignerError, NotAllowedError, BadSignatureError or ExpiredKeyError
    with the commit, NotDescendedError, MissingHistoryError, SigningError; and GitError.
    """
    if (wrong := signers.wrong_path(path)) is not None:
        raise signers.SigningError(f"the path {printable(path)!r} {wrong}")
    with _checking(git, policy) as check:
        check.refuse_other_kinds(new, path)
        if accepted is None:
            return check.allowed(check.last_change(new, path), path)
        return check.vouched(check.steps(accepted, new, path), check.entry(accepted, path), path)


@dataclass(frozen=True, slots=True)
class _Check:
    """Git with the keys of a policy: ``known`` are the signers by the fingerprint that git tells."""

    git: Git
    known: Mapping[str, Signer]
    variables: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        return self.git.run(*arguments, variables=self.variables).decode(errors="replace")

    def signer(self, commit: str) -> Signer:
        """Return whose good signature a commit has."""
        said = self.run("log", "-1", "--no-show-signature", "--no-notes", f"--format={_FIELDS}", _checked(commit), "--")
        name, author, subject, when, verdict, key, primary = said.rstrip("\n").split("\0")
        told = Commit(name, printable(author), printable(subject), float(when))
        _refuse_missing_program(self.run("cat-file", "commit", name))
        signer = self.known.get(primary) or self.known.get(key)
        if verdict == "G" and signer is not None:
            return signer
        raise _refusal(verdict, told, key, signer)

    def allowed(self, commit: str, path: str) -> str:
        """Return who signed a commit. Raises NotAllowedError for somebody who may not sign the path."""
        signer = self.signer(commit)
        # The key decides, not the name: a person may have another one for other paths.
        if not signer.may_sign(path):
            may = signers.listed(one.name for one in self.known.values() if one.may_sign(path))
            raise signers.NotAllowedError(
                f"{signer.name} signed it, who may not sign {path}; that may: {may}", self.commit(commit), signer.name
            )
        return signer.name

    def commit(self, name: str) -> Commit:
        """Return what is told of a commit."""
        said = self.run("log", "-1", "--no-show-signature", "--no-notes", f"--format={_TOLD}", _checked(name), "--")
        full, author, subject, when = said.rstrip("\n").split("\0")
        return Commit(full, printable(author), printable(subject), float(when))

    def vouched(self, steps: list[str], good: str, path: str) -> str | None:
        """Return the signer of the last of the steps, from the oldest on; ``good`` is the path's entry before them."""
        by: str | None = None
        refused: signers.SignatureError | None = None
        for step in steps:
            try:
                signer = self.allowed(step, path)
            except signers.SigningError:
                raise
            except signers.SignatureError as exc:
                refused = refused or exc
                continue
            entry = self.entry(step, path)
            if refused is None or entry == good:
                by, good, refused = signer, entry, None
        if refused is not None:
            raise refused
        return by

    def steps(self, accepted: str, new: str, path: str) -> list[str]:
        """Return the commits after ``accepted`` that changed the path, the oldest first."""
        try:
            self.run("cat-file", "-e", f"{_checked(accepted)}^{{commit}}")
        except GitError as exc:
            raise signers.MissingHistoryError(f"the accepted commit {accepted[:12]} is not in the repository") from exc
        way = self.run("rev-list", "--first-parent", "--topo-order", _checked(new), f"^{accepted}", "--").split()
        if way:
            self._refuse_detour(accepted, way[-1], new)
        elif self.run("rev-parse", f"{_checked(new)}^{{commit}}").strip() != accepted:
            raise signers.NotDescendedError(f"it is older than {accepted[:12]}, which is in force", self.commit(new))
        changed = self._changes(path, new, f"^{accepted}")
        if len(changed) > MOST_STEPS:
            raise signers.SigningError(f"more than {MOST_STEPS} commits after {accepted[:12]} changed {path}")
        return changed[::-1]

    def _refuse_detour(self, accepted: str, oldest: str, new: str) -> None:
        parents = self._parents(oldest)
        if parents[:1] == [accepted]:
            return
        if parents and self._cut(oldest):
            raise signers.MissingHistoryError(f"the repository does not reach down to {accepted[:12]}")
        over = f"{accepted[:12]}, which is in force, is not on the way of first parents that leads to it"
        raise signers.NotDescendedError(
            f"{over}: the branch was rewritten, or merged the wrong way round; push one that goes on from there",
            self.commit(new),
        )

    def last_change(self, new: str, path: str) -> str:
        """Return the newest commit on the way of first parents that changed the path."""
        changed = self._changes(path, "-1", new)
        if not changed:
            raise signers.SigningError(f"nothing on the way to it ever changed {path}", self.commit(new))
        # Where the history is cut off, all seems to have come in at once.
        if self._parents(changed[0]) and self._cut(changed[0]):
            raise signers.MissingHistoryError(f"the repository does not reach down to what changed {path} last")
        return changed[0]

    def _changes(self, path: str, *revisions: str) -> list[str]:
        return self.run("rev-list", "--first-parent", "--topo-order", *revisions, "--", path).split()

    def _parents(self, commit: str) -> list[str]:
        """Return the parents that the commit itself names, there or not."""
        head = self.run("cat-file", "commit", commit).partition("\n\n")[0]
        return [line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent ")]

    def _cut(self, commit: str) -> bool:
        """Return whether the history is cut off below a commit."""
        return len(self.run("rev-list", "--parents", "-1", commit, "--").split()) == 1

    def entry(self, commit: str, path: str) -> str:
        """Return mode, type and name of what is at the path in a commit; empty for nothing."""
        return self.run("ls-tree", "-z", "--full-tree", _checked(commit), "--", path).partition("\t")[0]

    def refuse_other_kinds(self, commit: str, path: str) -> None:
        """Raise SigningError where the path is a symbolic link, a folder or another repository."""
        entry = self.entry(commit, path)
        if entry and not entry.startswith("100"):
            raise signers.SigningError(f"{path} is no plain file in it", self.commit(commit))


def _checked(commit: str) -> str:
    """Return the name of a commit, which is no option and no range."""
    if not commit or commit.startswith("-") or not commit.isprintable() or ".." in commit or "^" in commit:
        raise signers.SigningError(f"{commit!r:.60} is no name of a commit")
    return commit


def _refusal(verdict: str, told: Commit, key: str, signer: Signer | None) -> signers.SignatureError:
    """Return the error for what ``%G?`` of git-log(1) says other than G."""
    who = "a key that is not known here" if signer is None else f"a key of {signer.name}"
    if verdict == "N":
        return signers.UnsignedError("is not signed; sign it with `git commit -S`, with a key that is known here", told)
    if verdict == "B":
        return signers.BadSignatureError("has a signature that does not fit it: it was changed after signing", told)
    if verdict in "XYR" and signer is not None:
        what = {"X": "is signed, but the signature has expired", "R": f"is signed with {who}, which is revoked"}
        words = what.get(verdict, f"is signed with {who}, which has expired")
        return signers.ExpiredKeyError(f"{words}; let somebody sign it whose key is good", told)
    fingerprint = f" ({printable(key)})" if key else ""
    return signers.UnknownSignerError(f"is signed with {who}{fingerprint}; `signers` names whose keys count", told)


def _refuse_missing_program(content: str) -> None:
    head = content.partition("\n\n")[0]
    if "-----BEGIN SSH SIGNATURE-----" in head and shutil.which("ssh-keygen") is None:
        raise signers.SigningError("there is no program `ssh-keygen` here; on Debian: apt-get install openssh-client")
    if "-----BEGIN PGP" in head and shutil.which("gpg") is None:
        raise signers.SigningError("there is no program `gpg` here; on Debian: apt-get install gpg")


@contextmanager
def _checking(git: Git, policy: SigningPolicy) -> Iterator[_Check]:
    """Give git with the policy's keys, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="stellwerk-signers-") as name:
        folder = Path(name)
        ring = folder / "gnupg"
        ring.mkdir(0o700)
        (ring / "gpg.conf").write_text(_GPG_SETTINGS)
        known: dict[str, Signer] = {}
        lines: list[str] = []
        for number, signer in enumerate(policy.signers):
            for fingerprint in _keys(signer, f"signer-{number}", lines, ring):
                before = known.setdefault(fingerprint, signer)
                if before is not signer:
                    raise signers.SigningError(f"{before.name} and {signer.name} have the same key {fingerprint}")
        # That a key is in the ring is all the trust there is. Said before, gpg would not make its database of trust,
        # without which it does not look at expired and revoked keys.
        (ring / "gpg.conf").write_text(f"{_GPG_SETTINGS}trust-model always\n")
        allowed = folder / "allowed_signers"
        allowed.write_text("".join(lines))
        yield _Check(git, known, _variables(allowed, ring))


def _keys(signer: Signer, principal: str, lines: list[str], ring: Path) -> tuple[str, ...]:
    """Make the keys of a signer known; return their fingerprints."""
    if signer.ssh is not None:
        kind, text, fingerprint = _ssh_key(signer)
        lines.append(f'{principal} namespaces="git" {kind} {text}\n')
        return (fingerprint,)
    return _import(signer, ring)


def ssh_key(text: str) -> tuple[str, str]:
    """Return type and base64 of an SSH public key. Raises ValueError, whose words do not repeat the text."""
    words = text.split()
    if len(words) < 2 or words[0] not in _SSH_TYPES:
        raise ValueError("is no SSH public key, such as `ssh-ed25519 AAAA…`: what is in a file that ends in .pub")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    kind = words[0].encode()
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind):
        raise ValueError(f"is no {words[0]} key: what follows the type is damaged")
    return words[0], words[1]


def _ssh_key(signer: Signer) -> tuple[str, str, str]:
    try:
        kind, text = ssh_key(signer.ssh or "")
    except ValueError as exc:
        raise signers.SigningError(f"the SSH key of {signer.name} {exc}") from None
    digest = hashlib.sha256(base64.b64decode(text)).digest()
    return kind, text, "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _import(signer: Signer, ring: Path) -> tuple[str, ...]:
    """Put a signer's OpenPGP keys into the ring; return the fingerprints of the primary ones."""
    file = signer.openpgp or ""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            content = opened.read(_LONGEST_KEY_FILE)
    except OSError as exc:
        raise signers.SigningError(f"the OpenPGP key of {signer.name}, {file}: {exc.strerror or exc}") from exc
    found: list[str] = []
    records = [line.split(":") for line in _gpg(ring, "--with-colons", "--show-keys", feed=content).splitlines()]
    if any(record[0] == "sec" for record in records):
        raise signers.SigningError(f"{file} holds a private key; `gpg --export --armor {signer.name}` gives the public")
    # Between a key and its fingerprint may stand its revocation; further fingerprints are those of subkeys.
    primary = False
    for record in records:
        if record[0] == "fpr" and primary:
            found.append(record[9])
        primary = record[0] == "pub" or (primary and record[0] not in ("fpr", "sub"))
    if not found:
        raise signers.SigningError(f"{file} holds no OpenPGP public key of {signer.name}, as `gpg --export` writes it")
    _gpg(ring, "--import", feed=content)
    return tuple(found)


def _gpg(ring: Path, *arguments: str, feed: bytes) -> str:
    """Return what gpg writes to its output. What it says of single packets shows in what it does not list."""
    kept = {**os.environ, "GNUPGHOME": str(ring), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["gpg", "--batch", "--quiet", *arguments],
            input=feed,
            capture_output=True,
            env=kept,
            timeout=_GPG_SECONDS,
            check=False,
        )
    except FileNotFoundError as exc:
        raise signers.SigningError("there is no program `gpg` here; on Debian: apt-get install gpg") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise signers.SigningError(f"gpg could not be run: {exc}") from exc
    return done.stdout.decode(errors="replace")


def _variables(allowed: Path, ring: Path) -> Mapping[str, str]:
    """Return the environment in which git believes nothing but these keys and sees the objects as they are."""
    settings = {
        "gpg.program": "gpg",
        "gpg.openpgp.program": "gpg",
        "gpg.ssh.program": "ssh-keygen",
        # No certificates of X.509: they would be believed by what the machine's own store holds.
        "gpg.x509.program": "false",
        "gpg.ssh.allowedSignersFile": str(allowed),
        "gpg.minTrustLevel": "undefined",
        "log.showSignature": "false",
        "log.showRoot": "true",
        "log.mailmap": "false",
        "core.commitGraph": "false",
    }
    counted = {
        f"GIT_CONFIG_{part}_{number}": text
        for number, setting in enumerate(settings.items())
        for part, text in zip(("KEY", "VALUE"), setting, strict=True)
    }
    return {
        **counted,
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_LITERAL_PATHSPECS": "1",
        "GNUPGHOME": str(ring),
    }
