"""What the tests of the documents share."""

from __future__ import annotations

import contextlib
import io
import shlex
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from intent.document import Node
from intent.expansion import expand, references
from intent.references import AdvertisedUplinks, KernelLinkKind, PrivateKeyFile, References, ResolvedKey
from intent.secrets import PrivateKey
from reconciler import cli
from reconciler.backends.fake import FakeNode
from reconciler.backends.references import Resolved
from reconciler.backends.state_folder import StateFolder
from reconciler.cli.session import Session


class CommandLine:
    """The command line on a node in memory with the links ``mesh0`` and ``wan``: all of it is real but the backends."""

    def __init__(self, state: Path) -> None:
        self.node = FakeNode()
        self._state = state
        for name in ("mesh0", "wan"):
            self.node.kernel.add_link(name, "veth", up=True)

    def run(self, words: str) -> tuple[int, str]:
        """Return the exit code and all that is said for the words after ``$``."""
        program, *arguments = shlex.split(words)
        assert program == "stellwerk", words
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli.run(arguments)
        return code, said.getvalue()

    @contextlib.contextmanager
    def session(self, node: Node, state_folder: Path) -> Iterator[Session]:
        """Stand in for `reconciler.cli.session.session`."""
        values: dict[Any, Any] = {}
        for reference in references(node):
            if isinstance(reference, PrivateKeyFile):
                key = PrivateKey(sha256(reference.path.encode()).digest())
                values[reference] = ResolvedKey(key, generated=reference.path not in self.node.files.files)
            elif isinstance(reference, AdvertisedUplinks):
                values[reference] = ()
            else:
                assert isinstance(reference, KernelLinkKind)
                values[reference] = True
        generated = tuple(
            one.path for one, value in values.items() if isinstance(one, PrivateKeyFile) and value.generated
        )
        resolved = Resolved(References(values), (), generated)
        yield Session(node, resolved, expand(node, resolved.references), (self.node,), StateFolder(self._state))


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    made = CommandLine(tmp_path / "state")
    monkeypatch.setattr("reconciler.cli.session.session", made.session)
    monkeypatch.setenv("STELLWERK_STATE_DIR", str(tmp_path / "state"))
    return made
