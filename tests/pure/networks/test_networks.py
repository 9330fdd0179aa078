"""Networks behind a node, on a node in memory."""

from ipaddress import IPv6Network
from typing import Any

import pytest

from intent.expansion import expand
from intent.loading import loads
from intent.references import AdvertisedUplinks, DelegatedPrefix, Reference, References
from intent.refusals import DrawingRoutes
from intent.uplinks import UplinkAddresses
from reconciler.backends.fake import FakeNode
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.reconcile import apply, look

HEAD = "version: 1\nnode: berlin-7\nmesh: {babeld: {restart_command: [systemctl, restart, babeld]}}\n"
NETWORK = 'networks: [{prefix: "fd00:6d65:7368:7::/64", interface: clients, address: "fd00:6d65:7368:7::1"}]\n'


def test_babel_announces_a_network_until_it_is_taken_from_the_file() -> None:
    fake, store = FakeNode(), InventoryInMemory()
    fake.kernel.add_link("clients", "veth", up=True)
    references = References(
        {AdvertisedUplinks(): (), UplinkAddresses(()): (), DrawingRoutes("/run/babeld.sock", 10): ()}
    )
    for text, there in ((HEAD + NETWORK, True), (HEAD, False)):
        desired = expand(loads(text.encode(), "node.yaml"), references)
        done = apply(look(desired, [fake], store), desired, [fake], store)
        assert not done.failed
        assert done.remaining.plan.empty
        ours = {line for line in fake.describe() if "fd00:6d65:7368:7::" in line}
        assert ("babel announcement fd00:6d65:7368:7::/64 from ::/0 metric 0" in ours) == there
        assert bool(ours) == there


DELEGATED = """
exit: {allow_special_purpose: true, prefixes: []}
networks:
  - {prefix: {delegated: wan, length: 64}, interface: clients, address: "::53:1"}
  - {prefix: {delegated: wan, length: 64, subnet: 0}, interface: guests}
  - {prefix: "2001:db8:300::/64", interface: lan}
"""
LAST = DelegatedPrefix("wan", 64, -1, special_purpose=True)
FIRST = DelegatedPrefix("wan", 64, 0, special_purpose=True)


@pytest.mark.parametrize(
    ("last", "first", "there"),
    [
        ("2001:db8:1:ff::/64", "2001:db8:1::/64", {"2001:db8:1:ff::/64", "2001:db8:1::/64"}),
        pytest.param("2001:db8:1::/64", "2001:db8:1::/64", {"2001:db8:1::/64"}, id="the same, counted from either end"),
        pytest.param("2001:db8:300::/64", None, set(), id="one that another network has"),
        (None, None, set()),
    ],
)
def test_a_network_of_a_delegated_prefix_follows_it(last: str | None, first: str | None, there: set[str]) -> None:
    """Its route, its announcement and its address are those of the prefix now, and the old ones go."""
    fake, store = FakeNode(), InventoryInMemory()
    for name in ("clients", "guests", "lan"):
        fake.kernel.add_link(name, "veth", up=True)
    node = loads((HEAD + DELEGATED).encode(), "node.yaml")
    for number, now in enumerate((("2001:db8:9:ff::/64", "2001:db8:9::/64"), (last, first))):
        values: dict[Reference[Any], Any] = {
            AdvertisedUplinks(): (),
            UplinkAddresses(()): (),
            DrawingRoutes("/run/babeld.sock", 10): (),
        }
        for reference, prefix in zip((LAST, FIRST), now, strict=True):
            values[reference] = None if prefix is None else IPv6Network(prefix)
        desired = expand(node, References(values))
        done = apply(look(desired, [fake], store), desired, [fake], store)
        assert not done.failed
        assert done.remaining.plan.empty
        announced = {line.split()[2] for line in fake.describe() if line.startswith("babel announcement ")}
        assert announced == {"2001:db8:300::/64", *(there if number else filter(None, now))}
        addresses = {line.split()[1] for line in fake.describe() if line.startswith("address 2001:")}
        has = now[0] is not None and now[0] in announced and now[0] != "2001:db8:300::/64"
        assert addresses == ({str(now[0]).replace("::/", "::53:1/")} if has else set())
