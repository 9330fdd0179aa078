"""What a node pulls: the file of `stellwerk run --git-config`, or the options in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, ValidationError

from intent import tree
from intent.display import quoted
from intent.durations import Duration
from intent.field_types import Text, wrong
from intent.fields import Path as AbsolutePath
from intent.fields import TrueFalse
from intent.loading import parse
from intent.problems import IntentError, Problem
from intent.reading import decode, read
from intent.source import Report
from intent.validation import Model, validate
from reconciler.backends import git_url
from reconciler.backends.git_remote import Origin
from reconciler.backends.git_url import RemoteUrl
from reconciler.core.signers import SigningPolicy, wrong_path
from reconciler.services.signer_settings import SignerSettings, policy

EVERY_SECONDS = 60
BRANCH = "main"
# What git-check-ref-format(1) takes, and nothing that a shell or a message could trip over.
_BRANCH = re.compile(r"(?!.*(?:\.\.|//|/\.|\.lock(?:/|$)|[./]$))[A-Za-z0-9_][\w./+-]{0,199}", re.ASCII)
_PASSWORD = re.compile(r"(?<=://)[^\s/:]*:[^\s/]*(?=@)")
_USER_INFORMATION = re.compile(r"(?<=://)[^\s/]*(?=@)")


@dataclass(frozen=True, slots=True)
class GitSettings:
    """What is pulled, how often, and whom it is believed. ``signing`` is ``None`` where no signature is asked for."""

    origin: Origin
    path: str
    every_seconds: float = EVERY_SECONDS
    allow_force_push: bool = False
    signing: SigningPolicy | None = None


def _parse_url(text: str) -> RemoteUrl:
    try:
        return git_url.parse(text)
    except ValueError as exc:
        # The text is not repeated: it may have a password.
        wrong(str(exc))


def parse_branch(text: str) -> str:
    """Return the name of a branch, refuse any other text."""
    if _BRANCH.fullmatch(text) is None:
        wrong(f"must be the name of a branch, not {quoted(text)}", "such as `main`")
    return text


def parse_path(text: str) -> str:
    """Return the path of a file in a repository, refuse any other text."""
    if (problem := wrong_path(text)) is not None:
        wrong(f"{problem}, not {quoted(text)}", "such as `rendered/berlin-7.yaml`")
    return str(PurePosixPath(text))


class GitFile(Model):
    """What a node pulls."""

    words = "a git file"

    url: Annotated[RemoteUrl, Text(_parse_url, {"minLength": 1})] = Field(
        description="The repository: https, ssh, git or file. A password in it is never shown, and not in the command "
        "line of any program.",
        examples=["https://git.example.org/fleet.git"],
    )
    path: Annotated[str, Text(parse_path)] = Field(
        description="The node's complete document in the repository; `.yaml` may be left out.",
        examples=["rendered/berlin-7.yaml"],
    )
    branch: Annotated[str, Text(parse_branch)] = Field(
        default=BRANCH, description="The branch that is followed.", examples=["main"]
    )
    every: Annotated[int, Duration(1, 86400)] = Field(
        default=EVERY_SECONDS,
        description="How often it is fetched, varied by a fifth; after failures later each time.",
        examples=["60s"],
    )
    allow_force_push: TrueFalse = Field(
        default=False,
        description="Whether a branch may be followed that was rewritten, so that the accepted commit is not in it.",
        examples=[True],
    )
    ssh_key: AbsolutePath | None = Field(
        default=None, description="The private key for ssh.", examples=["/etc/stellwerk/ssh/id_ed25519"]
    )
    known_hosts: AbsolutePath | None = Field(
        default=None, description="The file with the server's key for ssh.", examples=["/etc/stellwerk/ssh/known_hosts"]
    )
    signers: tuple[SignerSettings, ...] | None = Field(
        default=None,
        description="Whose signatures count; without this field no commit has to be signed.",
    )

    def settings(self) -> GitSettings:
        """Return what the file comes to."""
        return GitSettings(
            Origin(self.url, self.branch, self.ssh_key, self.known_hosts),
            self.path,
            self.every,
            self.allow_force_push,
            None if self.signers is None else policy(self.signers),
        )


def of_options(values: Mapping[str, str | int | bool]) -> GitSettings:
    """Return what options say is to be pulled, by the names of the fields; ``every`` in seconds. Raises IntentError."""
    spelled_out = {name: f"{value}s" if name == "every" else value for name, value in values.items()}
    try:
        return GitFile.model_validate(spelled_out).settings()
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False)
        raise IntentError([Problem(_option(str(one["loc"][0])), 0, 0, one["msg"]) for one in found]) from None


def _option(field: str) -> str:
    return "--git" if field == "url" else f"--{field.replace('_', '-')}"


def load(path: str) -> GitSettings:
    """Return what a file says is to be pulled. Raises IntentError with every problem at its place."""
    try:
        return _load(path)
    except IntentError as exc:
        raise IntentError([_masked(one) for one in exc.problems], exc.more) from None


def _masked(problem: Problem) -> Problem:
    """Return a problem without what stands before the host of an address: it may be a password."""
    shown = None if problem.source is None else _USER_INFORMATION.sub("***", problem.source)
    return replace(problem, message=_PASSWORD.sub("***", problem.message), source=shown)


def _load(path: str) -> GitSettings:
    source = decode(*read(path))
    root, report = parse(source)
    if not isinstance(root, tree.Mapping):
        raise IntentError([Problem(path, 0, 0, "is no mapping", "the least is `url: URL` and `path: rendered/NAME`")])
    found = validate(GitFile, root, (), report)
    if found is not None and not report:
        _check_path_is_signed_by_somebody(found, root, report)
    if found is None or report:
        raise report.error()
    return found.settings()


def _check_path_is_signed_by_somebody(found: GitFile, root: tree.Mapping, report: Report) -> None:
    if found.signers is None:
        return
    may = [one for one in found.signers for path in (found.path, f"{found.path}.yaml") if one.signer().may_sign(path)]
    if not may:
        place = tree.place(root, ("signers",), at_key=True)
        report.add(place, f"nobody here may sign `{found.path}`: no commit could ever be accepted", "see their `paths`")
