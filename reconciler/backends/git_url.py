"""Where a repository is: what git is told, what people are shown, and a password that is neither.

git's own programs are started with the address in their command line, where every user of the machine reads it. So
what comes before the ``@`` of an https address is taken out of it, and git asks for it (gitcredentials(7)).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

SCHEMES = ("https", "http", "ssh", "git", "file")
_MASK = "***"
_LIKE_SCP = re.compile(r"(?:[A-Za-z0-9_][\w.+-]*@)?(?:[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\]):(?!//)\S+", re.ASCII)
_USER_VARIABLE, _PASSWORD_VARIABLE = "STELLWERK_GIT_USER", "STELLWERK_GIT_PASSWORD"
_ANSWER = f'!f() {{ printf "username=%s\\npassword=%s\\n" "${_USER_VARIABLE}" "${_PASSWORD_VARIABLE}"; }}; f'
_ADVICE = "such as https://git.example.org/fleet.git, ssh://git@git.example.org/fleet.git or /srv/git/fleet.git"


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """An address of a repository. ``bare`` is for git, ``shown`` for people; neither has a password."""

    bare: str
    shown: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def settings(self) -> tuple[str, ...]:
        """What git is told so that it asks us for user and password, as for ``git -c``."""
        return () if self.user is None else ("credential.helper=", f"credential.helper={_ANSWER}")

    @property
    def variables(self) -> dict[str, str]:
        """What the answer is made of, in the environment that only our user reads."""
        return {} if self.user is None else {_USER_VARIABLE: self.user, _PASSWORD_VARIABLE: self.password or ""}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be read in an error."""
        found = {self.password, None if self.password is None else quote(self.password, safe="")}
        # A token stands where a user's name would, without a password.
        if self.user is not None and not self.password:
            found |= {self.user, quote(self.user, safe="")}
        return tuple(sorted((one for one in found if one), key=len, reverse=True))


def parse(text: str) -> RemoteUrl:
    """Return the address that a text means. Raises ValueError, whose words do not repeat the text."""
    if not text or not text.isprintable() or " " in text or text.startswith("-"):
        raise ValueError(f"must be the address of a repository, without blanks, {_ADVICE}")
    if text.startswith("/"):
        return RemoteUrl(f"file://{PurePosixPath(text)}", text)
    if "://" not in text:
        if _LIKE_SCP.fullmatch(text) is None or "::" in text.split("[")[0]:
            raise ValueError(f"must be the address of a repository, {_ADVICE}")
        return RemoteUrl(text, text)
    return _parsed(text)


def _parsed(text: str) -> RemoteUrl:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(f"must be the address of a repository, {_ADVICE}") from exc
    if parts.scheme not in SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{one}://' for one in SCHEMES)}, {_ADVICE}")
    if parts.query or parts.fragment:
        raise ValueError("must have no `?` and no `#`")
    if (not host) is not (parts.scheme == "file") or (host or "").startswith("-"):
        raise ValueError(f"must name a host and a path, {_ADVICE}")
    if parts.scheme not in ("https", "http"):
        if parts.password is not None:
            raise ValueError("must have no password: ssh takes none from there; have the node use a key")
        return RemoteUrl(text, text)
    place = (f"[{host}]" if host and ":" in host else host or "") + ("" if port is None else f":{port}")
    bare = f"{parts.scheme}://{place}{parts.path}"
    if parts.username is None:
        return RemoteUrl(bare, bare)
    user, password = unquote(parts.username), None if parts.password is None else unquote(parts.password)
    if not (user + (password or "")).isprintable():
        raise ValueError("must have no control characters before the `@`")
    return RemoteUrl(bare, f"{parts.scheme}://{_MASK}@{place}{parts.path}", user, password)
