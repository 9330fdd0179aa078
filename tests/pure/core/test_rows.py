"""What a look makes of the rows of several tables, and of rows that are told of one by one, on a node in memory."""

from __future__ import annotations

from dataclasses import replace

from intent.resources.babel_configuration import BabelConfiguration
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface
from intent.resources.file import File, KeyFile
from intent.secrets import PrivateKey
from reconciler.backends.fake import FakeNode
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.observe import observe
from reconciler.core.plan import Action
from reconciler.core.reconcile import apply, look

REAL_KINDS = True
SOCKET, CONFIGURATION = "/run/babeld.sock", "/etc/stellwerk/babeld.conf"


def test_two_tables_that_tell_of_one_space_are_both_seen() -> None:
    node, store = FakeNode(), InventoryInMemory()
    file = File(CONFIGURATION, BabelConfiguration(table=10).render())
    keys = KeyFile("/keys/wg-mesh", PrivateKey(bytes([1]) * 32))
    both = Desired([file, keys])
    apply(look(both, [node], store), both, [node], store)
    seen = observe([node], both, store.load())
    assert {key for key in seen.resources if key.space == "file"} == {file.key, keys.key}
    assert file.key in seen.owned
    assert diff(both, replace(seen, unsettled=None)).empty
    changed = File(CONFIGURATION, BabelConfiguration(table=11).render())
    (operation,) = diff([changed, keys], observe([node], [changed, keys], store.load())).operations
    assert (operation.action, operation.desired) == (Action.UPDATE, changed)


def test_babeld_is_not_restarted_for_a_configuration_that_is_there_beside_a_key() -> None:
    node, store = FakeNode(), InventoryInMemory()
    node.kernel.add_link("mesh0", "veth", up=True)
    file = File(CONFIGURATION, BabelConfiguration(table=10).render())
    daemon = BabelDaemon(SOCKET, CONFIGURATION, ("systemctl", "restart", "babeld"))
    desired = [file, daemon, KeyFile("/keys/wg-mesh", PrivateKey(bytes([1]) * 32))]
    apply(look(desired, [node], store), desired, [node], store)
    interface = BabelInterface("mesh0", SOCKET, (("type", "wired"),))
    plan = look([*desired, interface], [node], store).plan
    assert [(operation.action, operation.key) for operation in plan.operations] == [(Action.CREATE, interface.key)]
