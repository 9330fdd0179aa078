"""Which options babeld really has for an interface: what is planned, done and remembered, on the fake node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from intent.resources.babel_configuration import BabelConfiguration
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface, Options
from intent.resources.file import File
from intent.resources.gre_link import GreLink
from intent.resources.resource import Resource
from reconciler.backends.fake import FakeNode
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.plan import Plan
from reconciler.core.reconcile import Round, apply, look

SOCKET = "/run/babeld.sock"
FILE = "/etc/stellwerk/babeld.conf"
WIRED: Options = (("type", "wired"),)
TUNNEL: Options = (("type", "tunnel"),)
OLD, NEW = "babeld-1.12.1", "babeld-1.14"
LINK = GreLink(name="gre1", mode="ip6gre", local="2001:db8::1", remote="2001:db8::2")
FILE_OF_BABELD = File(FILE, BabelConfiguration(10).render())


class Node:
    """A fake node on which babeld already runs with our file."""

    def __init__(self, version: str, settled: frozenset[str] = frozenset()) -> None:
        self.fake = FakeNode(babeld_version=version)
        self.store = InventoryInMemory()
        self.fake.files.put(FILE, BabelConfiguration(10).render())
        self.fake.babelds.start(SOCKET, FILE, settled)

    @property
    def pid(self) -> int:
        return self.fake.babelds.running[SOCKET].pid

    @property
    def options(self) -> Options | None:
        """What babeld has."""
        return self.fake.babelds.running[SOCKET].interfaces.get("gre1")

    def plan(self, desired: Sequence[Resource]) -> Plan:
        return look(desired, [self.fake], self.store).plan

    def apply(self, desired: Sequence[Resource]) -> Round:
        return apply(look(desired, [self.fake], self.store), desired, [self.fake], self.store)

    def become(self, desired: Sequence[Resource]) -> None:
        done = self.apply(desired)
        assert not done.failed, [outcome.error for outcome in done.outcomes]
        assert done.remaining.plan.empty, done.remaining.plan


def daemon(*, restarted: bool = True) -> list[Resource]:
    return [FILE_OF_BABELD, BabelDaemon(SOCKET, FILE, ("restart",) if restarted else None)]


def speaking(options: Options, link: GreLink = LINK, *, restarted: bool = True) -> list[Resource]:
    return [*daemon(restarted=restarted), link, BabelInterface("gre1", SOCKET, options)]


@pytest.mark.parametrize("version", [OLD, NEW])
def test_an_interface_that_went_and_comes_again_gets_its_new_options(version: str) -> None:
    node = Node(version)
    node.become(speaking(WIRED))
    node.become(daemon())
    node.become(speaking(TUNNEL))
    assert node.options == TUNNEL


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_replaced_link_gets_its_new_options_at_once(version: str) -> None:
    node = Node(version)
    node.become(speaking(WIRED))
    node.become(speaking(TUNNEL, replace(LINK, mode="ip6gretap")))
    assert node.options == TUNNEL


def test_a_link_that_is_replaced_or_repaired_without_new_options_takes_no_restart() -> None:
    node = Node(OLD)
    node.become(speaking(WIRED))
    pid = node.pid
    node.become(speaking(WIRED, replace(LINK, mode="ip6gretap")))
    assert node.fake.send(LINK.delete()) == [None]
    node.become(speaking(WIRED))
    assert (node.pid, node.options) == (pid, WIRED)


def test_without_a_restart_command_it_stays_pending_until_babeld_is_restarted() -> None:
    node = Node(OLD)
    node.become(speaking(WIRED, restarted=False))
    node.become(daemon(restarted=False))
    for _ in range(2):
        done = node.apply(speaking(TUNNEL, restarted=False))
        assert "babel interface gre1" in {str(pending.resource.key) for pending in done.remaining.plan.pending}
    node.fake.babelds.start(SOCKET, FILE)
    node.become(speaking(TUNNEL, restarted=False))
    assert node.options == TUNNEL


def test_what_is_left_of_a_link_that_is_gone_and_not_wanted_takes_no_restart() -> None:
    node = Node(OLD)
    node.become(speaking(WIRED))
    pid = node.pid
    assert node.fake.send(LINK.delete()) == [None]
    node.become(daemon())
    assert node.pid == pid
    assert node.store.load().entries == {}


def test_an_interface_whose_link_is_gone_is_not_taken_for_one_that_speaks() -> None:
    node = Node(OLD)
    node.become(speaking(WIRED))
    assert node.fake.send(LINK.delete()) == [None]
    plan = node.plan([*daemon(), BabelInterface("gre1", SOCKET, WIRED)])
    assert [held.reason for held in plan.pending][-1:] == [
        "attached gone → there; waits for link gre1, which does not exist"
    ]


@pytest.mark.parametrize("version", [OLD, NEW])
def test_an_interface_of_babelds_own_configuration_keeps_what_the_operator_gave_it(version: str) -> None:
    node = Node(version, frozenset({"gre1"}))
    pid = node.pid
    node.become([*daemon(), LINK])
    assert node.plan(speaking(WIRED)).empty
    assert node.pid == pid


@pytest.mark.parametrize("version", [OLD, NEW])
def test_with_a_lost_inventory_options_that_nobody_knows_are_sent_anew(version: str) -> None:
    node = Node(version)
    node.become(speaking(WIRED))
    node.store = InventoryInMemory()
    node.become(speaking(TUNNEL))
    assert node.options == TUNNEL
