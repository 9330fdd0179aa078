"""What the tests of the documents share."""

from __future__ import annotations

import contextlib
import io
import shlex
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from intent.references import AdvertisedUplinks, KernelLinkKind, PrivateKeyFile, ResolvedKey
from intent.secrets import PrivateKey
from reconciler import cli
from reconciler.backends.drained import DrainedByHand
from reconciler.backends.fake import FakeNode
from reconciler.backends.references import Resolution, Resolver, Resolvers
from reconciler.backends.state_folder import StateFolder
from reconciler.services.this_node import ThisNode


class CommandLine:
    """The command line on a node in memory with the links ``mesh0`` and ``wan``: all of it is real but the backends."""

    def __init__(self, state: Path) -> None:
        self.node = FakeNode()
        self._state = state
        for name in ("mesh0", "wan", "clients"):
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
    def this_node(self, state_folder: Path, resolvers: Resolvers | None = None) -> Iterator[ThisNode]:
        """Stand in for `reconciler.services.this_node.this_node`."""
        state = StateFolder(self._state)
        yield ThisNode((self.node,), Resolvers(Keys(self.node), Kinds(), Uplinks(), DrainedByHand(state)), state)


class Keys(Resolver[PrivateKeyFile]):
    """Gives each path a key of its own, made just now where the node in memory has no such file."""

    reference_types = (PrivateKeyFile,)

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    def resolve(self, reference: PrivateKeyFile) -> Resolution:
        key = PrivateKey(sha256(reference.path.encode()).digest())
        generated = reference.path not in self._node.files.files
        return Resolution(ResolvedKey(key, generated), generated=generated)

    def file(self, reference: PrivateKeyFile) -> str:
        return reference.path


class Kinds(Resolver[KernelLinkKind]):
    """A kernel that can make links of every kind."""

    reference_types = (KernelLinkKind,)

    def resolve(self, reference: KernelLinkKind) -> Resolution:
        return Resolution(True)


class Uplinks(Resolver[AdvertisedUplinks]):
    """A node without an uplink by router advertisement."""

    reference_types = (AdvertisedUplinks,)

    def resolve(self, reference: AdvertisedUplinks) -> Resolution:
        return Resolution(())


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    made = CommandLine(tmp_path / "state")
    monkeypatch.setattr("reconciler.services.this_node.this_node", made.this_node)
    monkeypatch.setenv("STELLWERK_STATE_DIR", str(tmp_path / "state"))
    return made
