"""Networks behind a node, on a node in memory."""

from intent.expansion import expand
from intent.loading import loads
from intent.references import AdvertisedUplinks, References
from intent.refusals import DrawingRoutes
from reconciler.backends.fake import FakeNode
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.reconcile import apply, look

HEAD = "version: 1\nnode: berlin-7\nmesh: {babeld: {restart_command: [systemctl, restart, babeld]}}\n"
NETWORK = 'networks: [{prefix: "fd00:6d65:7368:7::/64", interface: clients, address: "fd00:6d65:7368:7::1"}]\n'


def test_babel_announces_a_network_until_it_is_taken_from_the_file() -> None:
    fake, store = FakeNode(), InventoryInMemory()
    fake.kernel.add_link("clients", "veth", up=True)
    references = References({AdvertisedUplinks(): (), DrawingRoutes("/run/babeld.sock", 10): ()})
    for text, there in ((HEAD + NETWORK, True), (HEAD, False)):
        desired = expand(loads(text.encode(), "node.yaml"), references)
        done = apply(look(desired, [fake], store), desired, [fake], store)
        assert not done.failed
        assert done.remaining.plan.empty
        ours = {line for line in fake.describe() if "fd00:6d65:7368:7::" in line}
        assert ("babel announcement fd00:6d65:7368:7::/64 from ::/0 metric 0" in ours) == there
        assert bool(ours) == there
