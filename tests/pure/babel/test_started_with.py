"""What a running babeld was started with is there when it starts again, on the fake node."""

from __future__ import annotations

import pytest

from intent.resources.babel_configuration import BabelConfiguration
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface
from intent.resources.file import File
from intent.resources.resource import Resource
from reconciler.backends.fake import FakeNode
from reconciler.core.apply import Result
from reconciler.core.errors import RejectedError
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.reconcile import Round, apply, look

SOCKET = "/run/babeld.sock"
OLD, NEW = "/etc/old.conf", "/etc/new.conf"


class Node:
    """A fake node on which the mesh was set up with the old file."""

    def __init__(self) -> None:
        self.fake = FakeNode()
        self.store = InventoryInMemory()
        self.fake.kernel.add_link("mesh0", "veth", up=True)
        assert not self.apply(mesh(OLD)[:1]).failed
        self.fake.babelds.start(SOCKET, OLD)
        assert not self.apply(mesh(OLD)).failed

    def apply(self, desired: list[Resource]) -> Round:
        return apply(look(desired, [self.fake], self.store), desired, [self.fake], self.store)

    @property
    def files(self) -> set[str]:
        return set(self.fake.files.files)


def mesh(path: str, *command: str, mode: int = 0o644) -> list[Resource]:
    return [
        File(path, BabelConfiguration(10).render(), mode),
        BabelDaemon(SOCKET, path, command or None),
        BabelInterface("mesh0", SOCKET, (("type", "wired"),)),
    ]


@pytest.mark.parametrize("after", [[], mesh(NEW)])
def test_the_file_stays_until_babeld_runs_without_it(after: list[Resource]) -> None:
    node = Node()
    done = node.apply(after)
    assert not done.failed
    (waiting,) = [pending for pending in done.remaining.plan.pending if pending.resource.key.name == (OLD,)]
    assert "babeld is still started with it" in waiting.reason
    assert OLD in node.files
    if after:
        node.fake.babelds.start(SOCKET, NEW)
    else:
        del node.fake.babelds.running[SOCKET]
    assert not node.apply(after).failed
    assert OLD not in node.files


def test_with_a_restart_command_the_old_file_goes_after_the_restart() -> None:
    node = Node()
    done = node.apply(mesh(NEW, "restart"))
    assert not done.failed
    assert done.remaining.plan.empty
    assert node.files == {NEW}
    keys = [outcome.operation.key.name[0] for outcome in done.outcomes]
    assert keys.index(OLD) > max(number for number, name in enumerate(keys) if name == SOCKET)


def test_where_the_restart_fails_the_old_file_stays() -> None:
    node = Node()
    # The file, the interface, and then the restart.
    node.fake.fail(3, RejectedError("it runs without the new file"))
    done = node.apply(mesh(NEW, "restart"))
    results = {outcome.operation.key.name[0]: outcome.result for outcome in done.outcomes}
    assert (results[SOCKET], results[OLD]) == (Result.FAILED, Result.SKIPPED)
    assert node.files == {OLD, NEW}


def test_a_mode_alone_takes_no_restart() -> None:
    node = Node()
    pid = node.fake.babelds.running[SOCKET].pid
    done = node.apply(mesh(OLD, "restart", mode=0o600))
    assert not done.failed
    assert done.remaining.plan.empty
    assert node.fake.babelds.running[SOCKET].pid == pid
    assert node.fake.files.files[OLD].mode == 0o600
