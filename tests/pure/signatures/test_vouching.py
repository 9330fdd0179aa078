"""What counts as vouched for, and the ways to smuggle something past it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.backends.git import Git
from reconciler.backends.git_signatures import signer_of, vouched
from reconciler.core.signers import (
    BadSignatureError,
    MissingHistoryError,
    NotAllowedError,
    NotDescendedError,
    Signer,
    SigningError,
    SigningPolicy,
    UnknownSignerError,
    UnsignedError,
)
from tests.pure.signatures.conftest import OTHER, OURS, Keys, Repository


def test_a_signed_change_is_vouched_for_by_its_signer(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("admin", {OURS: "1", OTHER: "1"})
    second = repository.commit("ada", {OURS: "2"})
    assert signer_of(repository.git, first, policy) == "the admin"
    assert vouched(repository.git, None, first, OURS, policy) == "the admin"
    assert vouched(repository.git, first, second, OURS, policy) == "Ada"
    assert vouched(repository.git, None, second, OTHER, policy) == "the admin"


def test_commits_elsewhere_need_no_signature(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    last = repository.commit(None, {"README": "x"})
    assert vouched(repository.git, first, last, OURS, policy) is None
    assert vouched(repository.git, None, last, OURS, policy) == "Ada"
    assert vouched(repository.git, last, last, OURS, policy) is None


def test_an_unsigned_commit_on_top_is_refused(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    last = repository.commit(None, {OURS: "2"})
    for accepted in (first, None):
        with pytest.raises(UnsignedError, match=f"commit {last[:12]} by Ada <ada@example.org>: is not signed") as found:
            vouched(repository.git, accepted, last, OURS, policy)
        assert found.value.commit is not None
        assert found.value.commit.id == last


def test_an_unsigned_change_below_a_signed_one_is_refused(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    repository.commit(None, {OURS: "1\nsmuggled"})
    last = repository.commit("ada", {OURS: "2\nsmuggled"})
    with pytest.raises(UnsignedError):
        vouched(repository.git, first, last, OURS, policy)


def test_putting_back_what_was_good_mends_it(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    repository.commit(None, {OURS: "smuggled"})
    back = repository.commit("admin", {OURS: "1"})
    last = repository.commit("ada", {OURS: "2"})
    assert vouched(repository.git, first, back, OURS, policy) == "the admin"
    assert vouched(repository.git, first, last, OURS, policy) == "Ada"


def test_the_operator_of_another_node_may_not_touch_ours(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("admin", {OURS: "1", OTHER: "1"})
    last = repository.commit("bob", {OURS: "2", OTHER: "2"})
    assert vouched(repository.git, first, last, OTHER, policy) == "Bob"
    with pytest.raises(NotAllowedError, match=f"Bob signed it, who may not sign {OURS}; .*: the admin, Ada") as found:
        vouched(repository.git, first, last, OURS, policy)
    assert found.value.signer == "Bob"


def test_a_revert_by_somebody_not_allowed_is_refused(repository: Repository, policy: SigningPolicy) -> None:
    repository.commit("ada", {OURS: "1"})
    second = repository.commit("ada", {OURS: "2"})
    repository.do(*repository.signing("bob"), "revert", "--no-edit", second)
    with pytest.raises(NotAllowedError):
        vouched(repository.git, second, repository.head(), OURS, policy)


def test_a_merge_that_takes_an_old_version_is_a_change(repository: Repository, policy: SigningPolicy) -> None:
    repository.commit("ada", {OURS: "1"})
    repository.do("branch", "old")
    second = repository.commit("ada", {OURS: "2"})
    repository.do("checkout", "-q", "old")
    repository.commit(None, {"README": "x"})
    repository.do("checkout", "-q", "main")
    repository.do("merge", "-q", "--no-commit", "--no-ff", "old")
    repository.do("checkout", "-q", "old", "--", OURS)
    merged = repository.commit(None, {})
    assert (repository.folder / OURS).read_text() == "1"
    with pytest.raises(UnsignedError):
        vouched(repository.git, second, merged, OURS, policy)


def test_a_foxtrot_merge_is_refused(repository: Repository, policy: SigningPolicy) -> None:
    repository.commit("ada", {OURS: "1"})
    repository.do("branch", "side")
    accepted = repository.commit("ada", {OURS: "2"})
    repository.do("checkout", "-q", "side")
    repository.commit(None, {"README": "x"})
    merged = repository.merge(None, "main")
    with pytest.raises(NotDescendedError, match=f"{accepted[:12]}, which is in force"):
        vouched(repository.git, accepted, merged, OURS, policy)


def test_a_branch_merged_by_somebody_allowed_is_vouched_for(repository: Repository, policy: SigningPolicy) -> None:
    accepted = repository.commit("ada", {OURS: "1"})
    repository.do("checkout", "-q", "-b", "side")
    repository.commit(None, {OURS: "2"})
    repository.do("checkout", "-q", "main")
    merged = repository.merge("admin", "side")
    assert vouched(repository.git, accepted, merged, OURS, policy) == "the admin"


def test_a_rewritten_branch_and_an_older_commit_are_refused(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    second = repository.commit("ada", {OURS: "2"})
    with pytest.raises(NotDescendedError, match="is older than"):
        vouched(repository.git, second, first, OURS, policy)
    repository.do("reset", "-q", "--hard", first)
    other = repository.commit("ada", {OURS: "3"})
    with pytest.raises(NotDescendedError, match="rewritten"):
        vouched(repository.git, second, other, OURS, policy)


def _raw(repository: Repository, commit: str) -> str:
    return repository.do("cat-file", "commit", commit)


def _signature(raw: str) -> str:
    head = raw.partition("\n\n")[0]
    return head[head.index("gpgsig ") :]


def _written(repository: Repository, raw: str) -> str:
    return repository.do("hash-object", "-t", "commit", "-w", "--stdin", feed=(raw + "\n").encode())


def test_a_signature_copied_from_another_commit_is_bad(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    last = repository.commit(None, {OURS: "2"})
    head, _, message = _raw(repository, last).partition("\n\n")
    forged = _written(repository, f"{head}\n{_signature(_raw(repository, first))}\n\n{message}")
    with pytest.raises(BadSignatureError, match="does not fit"):
        vouched(repository.git, first, forged, OURS, policy)


def test_a_signer_who_is_no_longer_in_the_policy_is_unknown(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    last = repository.commit("ada", {OURS: "2"})
    without = SigningPolicy(tuple(one for one in policy.signers if one.name != "Ada"))
    with pytest.raises(UnknownSignerError, match="SHA256:"):
        vouched(repository.git, first, last, OURS, without)
    with pytest.raises(UnknownSignerError):
        signer_of(repository.git, last, SigningPolicy(()))


def test_the_repository_and_the_user_cannot_make_a_key_known(
    repository: Repository, policy: SigningPolicy, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(f"the-admin {keys.public('mallory')}\n")
    first = repository.commit("ada", {OURS: "1"})
    last = repository.commit("mallory", {OURS: "2"})
    repository.do("config", "gpg.ssh.allowedSignersFile", str(allowed))
    repository.do("config", "gpg.ssh.program", "true")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "gpg.ssh.allowedSignersFile")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(allowed))
    with pytest.raises(UnknownSignerError):
        vouched(repository.git, first, last, OURS, policy)


def test_the_name_of_the_author_is_nothing(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    repository.do("config", "user.name", "the admin")
    last = repository.commit("bob", {OURS: "2"})
    with pytest.raises(NotAllowedError):
        vouched(repository.git, first, last, OURS, policy)


def test_replaced_objects_grafts_and_notes_are_not_looked_at(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("ada", {OURS: "1"})
    good = repository.commit("ada", {OURS: "2"})
    repository.do("reset", "-q", "--hard", first)
    bad = repository.commit(None, {OURS: "smuggled"})
    last = repository.commit("ada", {"README": "x"})
    repository.do("replace", bad, good)
    repository.do("notes", "add", "-m", "gpgsig", bad)
    with pytest.raises(UnsignedError):
        vouched(repository.git, first, last, OURS, policy)
    repository.do("replace", "-d", bad)
    (repository.folder / ".git" / "info" / "grafts").write_text(f"{last} {first}\n")
    with pytest.raises(UnsignedError):
        vouched(repository.git, first, last, OURS, policy)


def test_a_shallow_repository_says_when_it_does_not_reach_down(
    repository: Repository, policy: SigningPolicy, tmp_path: Path
) -> None:
    first = repository.commit("ada", {OURS: "1"})
    repository.commit(None, {"README": "1"})
    last = repository.commit("admin", {"README": "2"})
    clone = tmp_path / "shallow"
    repository.do("clone", "-q", "--depth=1", f"file://{repository.folder}", str(clone))
    git = Git(clone)
    for accepted in (first, None):
        with pytest.raises(MissingHistoryError):
            vouched(git, accepted, last, OURS, policy)
    git.run("fetch", "-q", "--depth=2", "origin", "main")
    with pytest.raises(MissingHistoryError):
        vouched(git, None, last, OURS, policy)
    git.run("fetch", "-q", "--deepen=1", "origin", "main")
    assert vouched(git, first, last, OURS, policy) is None
    assert vouched(git, None, last, OURS, policy) == "Ada"


def test_a_link_or_a_folder_at_the_path_is_refused(repository: Repository, policy: SigningPolicy) -> None:
    (repository.folder / "rendered").mkdir()
    (repository.folder / OURS).symlink_to("../../etc/passwd")
    last = repository.commit("admin", {"nodes/x.yaml": "1"})
    for path in (OURS, "nodes"):
        with pytest.raises(SigningError, match="no plain file"):
            vouched(repository.git, None, last, path, policy)


def test_the_case_of_a_path_counts(repository: Repository, policy: SigningPolicy) -> None:
    first = repository.commit("admin", {OURS: "1"})
    last = repository.commit(None, {OURS.upper(): "2"})
    assert vouched(repository.git, first, last, OURS, policy) is None


@pytest.mark.parametrize("path", ["../x", "/rendered/x", "rendered//x", "rendered/*", ":(glob)**", "-x", ""])
def test_a_path_is_taken_as_it_is(repository: Repository, policy: SigningPolicy, path: str) -> None:
    last = repository.commit("admin", {OURS: "1"})
    with pytest.raises(SigningError):
        vouched(repository.git, None, last, path, policy)


@pytest.mark.parametrize("commit", ["--all", "", "HEAD..HEAD", "HEAD\n"])
def test_the_name_of_a_commit_is_no_option(repository: Repository, policy: SigningPolicy, commit: str) -> None:
    repository.commit("admin", {OURS: "1"})
    with pytest.raises(SigningError):
        signer_of(repository.git, commit, policy)


def test_keys_that_cannot_be_used_are_said(repository: Repository, policy: SigningPolicy, keys: Keys) -> None:
    last = repository.commit("admin", {OURS: "1"})
    private = keys.ssh("ada").read_text()
    with pytest.raises(SigningError, match="of Eve is no SSH public key") as found:
        signer_of(repository.git, last, SigningPolicy((Signer("Eve", ("**",), ssh=private),)))
    assert "PRIVATE" not in str(found.value)
    twice = SigningPolicy((*policy.signers, Signer("Eve", ("**",), ssh=keys.public("bob"))))
    with pytest.raises(SigningError, match="Bob and Eve have the same key"):
        signer_of(repository.git, last, twice)


def test_a_missing_program_is_said(
    repository: Repository, policy: SigningPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = repository.commit("admin", {OURS: "1"})
    (tmp_path / "bin").mkdir()
    found = subprocess.run(["which", "git"], capture_output=True, check=True, text=True).stdout.strip()
    (tmp_path / "bin" / "git").symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SigningError, match="openssh-client"):
        signer_of(repository.git, last, policy)
