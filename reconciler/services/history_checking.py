"""An exported history, held against the commits that it names, away from the node."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intent.digest import digest
from intent.loading import loads
from intent.problems import IntentError
from reconciler.backends.git import Git, GitError
from reconciler.backends.git_trees import RevisionFiles, commit_of, files_of
from reconciler.core.history import Flaw
from reconciler.core.history_export import Requested

_NAME = re.compile("[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)
_HOLDS_ANOTHER = frozenset({"refused"})
"""Events of which the digest is that of what is held, not of what the commit asks for."""


def flaws_by_git(requests: Sequence[Requested], git: Git) -> list[Flaw]:
    """Return where entries say other than the repository: no such commit, another author, another document.

    Raises GitError where there is no repository.
    """
    git.run("rev-parse", "--git-dir")
    commits: dict[tuple[str, ...], tuple[str, RevisionFiles] | str] = {}
    found = []
    for one in requests:
        asked = (one.commit, *_paths(one))
        if asked not in commits:
            commits[asked] = _looked_up(one, git)
        found += [Flaw(one.number, what) for what in _flaws(one, commits[asked])]
    return found


def _looked_up(one: Requested, git: Git) -> tuple[str, RevisionFiles] | str:
    """Return the author and those files of a commit that are asked for, or why there are none."""
    commit = one.commit
    if not _NAME.fullmatch(commit):
        return f"names {commit!r:.80} as its commit, which is no name of one"
    try:
        name = commit_of(git, commit)
        author = git.run("show", "-s", "--no-show-signature", "--format=%an <%ae>", "--end-of-options", name)
        return author.decode(errors="replace").rstrip("\n"), files_of(git, name, *_paths(one))
    except GitError as exc:
        return f"names commit {commit}, which the repository does not have: {exc}"


def _flaws(one: Requested, there: tuple[str, RevisionFiles] | str) -> Iterator[str]:
    if isinstance(there, str):
        yield there
        return
    author, files = there
    if one.author and one.author != author:
        yield f"says that commit {one.commit[:12]} is by {one.author}, but it is by {author}"
    if not one.digest or one.event in _HOLDS_ANOTHER:
        return
    paths = [path for path in _paths(one) if path in files]
    if not paths:
        yield f"asks for {_paths(one)[0]} of commit {one.commit[:12]}, which has no such file"
        return
    try:
        digests = {digest(loads(files[path], f"{one.commit[:12]}:{path}")) for path in paths[:1]}
    except (IntentError, GitError) as exc:
        yield f"asks for {paths[0]} of commit {one.commit[:12]}, which is no valid document: {exc}"
        return
    if one.digest not in digests:
        yield f"has the digest {one.digest[:12]}, but {paths[0]} of commit {one.commit[:12]} has {min(digests)[:12]}"


def _paths(one: Requested) -> tuple[str, ...]:
    if one.path:
        return (one.path, f"{one.path}.yaml")
    return (f"rendered/{one.node}.yaml", f"nodes/{one.node}.yaml", f"{one.node}.yaml")
