"""After the inventory was lost, with the real kinds."""

from __future__ import annotations

from intent.resources.route import Route
from intent.resources.sysctl import Sysctl
from reconciler.backends.fake import FakeNode
from reconciler.core.desired import Desired
from reconciler.core.inventory import Inventory, InventoryInMemory
from reconciler.core.reconcile import Rounds

REAL_KINDS = True


def test_what_is_found_after_a_loss_is_remembered_where_it_is() -> None:
    node, store = FakeNode(), InventoryInMemory()
    node.kernel.add_link("mesh0", "veth", up=True)
    route = Route(routing_table=10, destination="2001:db8::/48", link="mesh0")
    assert node.send(route.create()) == [None]
    store.inventory = Inventory(lost=True)
    forwarding = Sysctl(name="net/ipv6/conf/all/forwarding", value="1")
    rounds = Rounds([node], store)
    both, one = Desired([route, forwarding]), Desired([forwarding])
    rounds.apply(rounds.look(both), both, lambda: 0.0)
    assert not store.inventory.lost
    assert [operation.key for operation in rounds.look(one).plan.operations] == [route.key]
