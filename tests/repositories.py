"""Repositories with what a person does in them, for tests of those who pull."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PEOPLE = ("Ada", "Bob")


@dataclass
class Repository:
    """A repository that others fetch from; the first commit is still to come."""

    folder: Path

    def __post_init__(self) -> None:
        """Make it."""
        self.folder.mkdir(parents=True)
        self.do("init", "-q", "-b", "main")
        for name in ("uploadpack.allowFilter", "http.getanyfile"):
            self.do("config", name, "true")

    def do(self, *arguments: str, by: str = "Ada", settings: tuple[str, ...] = ()) -> str:
        """Run git in it, as somebody, and return what it says."""
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "LC_ALL": "C",
            **{f"GIT_{role}_NAME": by for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": f"{by.lower()}@example.org" for role in ("AUTHOR", "COMMITTER")},
        }
        options = [part for setting in settings for part in ("-c", setting)]
        run = subprocess.run(
            ["git", *options, "-C", self.folder, *arguments], capture_output=True, env=environment, check=False
        )
        assert run.returncode == 0, run.stderr.decode()
        return run.stdout.decode().strip()

    def commit(
        self,
        files: Mapping[str, str | None],
        by: str = "Ada",
        subject: str = "a change",
        settings: tuple[str, ...] = (),
    ) -> str:
        """Commit files, ``None`` for one that is removed; return the commit's name."""
        for path, text in files.items():
            place = self.folder / path
            if text is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.do("add", "-A")
        self.do("commit", "-q", "--allow-empty", "-m", subject, by=by, settings=settings)
        return self.head()

    def head(self) -> str:
        """Return the name of the newest commit."""
        return self.do("rev-parse", "HEAD")

    def rewrite(self, files: Mapping[str, str | None], by: str = "Bob") -> str:
        """Put another commit in place of the newest, as before a force-push; return its name."""
        self.do("reset", "-q", "--hard", "HEAD~1")
        return self.commit(files, by, "instead")
