"""What is promised about addresses."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from intent.resources.address import Address
from reconciler.core.errors import OccupiedError, StaleError
from tests.contract.node import ContractNode, address_by_hand

TEXTS = ("fd00::1/64", "2001:db8::1/128", "fe80::42/64", "192.0.2.1/24", "192.0.2.9/32")


def on(text: str, link: str = "mesh0") -> Address:
    return Address(link=link, address=text)


def seen(node: ContractNode, like: Address) -> Address | None:
    found = node.seen("address").get(like.key)
    assert found is None or isinstance(found, Address)
    return found


def by_hand(node: ContractNode, text: str) -> None:
    interface = ip_interface(text)
    assert node.send(address_by_hand("mesh0", interface.ip.packed, interface.network.prefixlen)) == [None]


class AddressContract:
    @pytest.mark.parametrize("text", TEXTS)
    def test_what_is_created_is_seen_as_it_was_asked_for(self, node: ContractNode, text: str) -> None:
        node.make(on(text))
        found = seen(node, on(text))
        assert found == on(text)
        assert found is not None
        assert found.owned()

    @pytest.mark.parametrize("text", TEXTS)
    def test_created_twice_it_is_occupied(self, node: ContractNode, text: str) -> None:
        node.make(on(text))
        (answer,) = node.send(*on(text).create())
        assert isinstance(answer, OccupiedError)

    @pytest.mark.parametrize("text", TEXTS)
    def test_deleted_it_is_gone_and_deleted_again_that_is_no_error(self, node: ContractNode, text: str) -> None:
        node.make(on(text))
        assert node.send(*on(text).delete()) == [None]
        assert seen(node, on(text)) is None
        assert node.send(*on(text).delete()) == [None]

    def test_one_address_is_on_two_links(self, node: ContractNode) -> None:
        node.make(on("fd00::1/64"), on("fd00::1/64", "mesh1"))
        assert node.send(*on("fd00::1/64").delete()) == [None]
        assert seen(node, on("fd00::1/64", "mesh1")) is not None

    def test_an_ipv6_address_has_one_length(self, node: ContractNode) -> None:
        node.make(on("fd00::1/64"))
        (answer,) = node.send(*on("fd00::1/128").create())
        assert isinstance(answer, OccupiedError)

    def test_deleted_with_another_length_it_stays(self, node: ContractNode) -> None:
        node.make(on("fd00::1/64"))
        assert node.send(*on("fd00::1/128").delete()) == [None]
        assert seen(node, on("fd00::1/64")) is not None

    def test_an_unknown_link_is_stale(self, node: ContractNode) -> None:
        (answer,) = node.send(*on("fd00::1/64", "absent").create())
        assert isinstance(answer, StaleError)
        assert node.send(*on("fd00::1/64", "absent").delete()) == [None]

    @pytest.mark.parametrize("text", TEXTS)
    def test_one_by_hand_is_not_ours(self, node: ContractNode, text: str) -> None:
        by_hand(node, text)
        found = seen(node, on(text))
        assert found is not None
        assert not found.owned()
        assert found.permanent

    def test_a_link_that_goes_down_loses_its_ipv6_addresses_only(self, node: ContractNode) -> None:
        node.make(on("fd00::1/64"), on("192.0.2.1/24"), on("fd00::1/64", "mesh1"))
        node.set_link("mesh0", up=False)
        assert seen(node, on("fd00::1/64")) is None
        assert seen(node, on("192.0.2.1/24")) is not None
        assert seen(node, on("fd00::1/64", "mesh1")) is not None

    def test_a_link_that_is_down_takes_addresses(self, node: ContractNode) -> None:
        node.set_link("mesh0", up=False)
        node.make(on("fd00::1/64"), on("192.0.2.1/24"))
        assert seen(node, on("fd00::1/64")) == on("fd00::1/64")

    def test_the_link_local_address_of_the_kernel_is_automatic(self, node: ContractNode) -> None:
        found = [address for address in node.seen("address").values() if isinstance(address, Address)]
        of_mesh0 = [address for address in found if address.link == "mesh0"]
        assert of_mesh0
        assert all(address.automatic() and not address.owned() for address in of_mesh0)

    def test_the_first_ipv4_address_of_a_subnet_takes_the_others_along(self, node: ContractNode) -> None:
        node.make(on("192.0.2.1/24"), on("192.0.2.2/24"), on("198.51.100.1/24"))
        assert node.send(*on("192.0.2.1/24").delete()) == [None]
        assert seen(node, on("192.0.2.2/24")) is None
        assert seen(node, on("198.51.100.1/24")) is not None

    def test_a_later_ipv4_address_of_a_subnet_is_secondary(self, node: ContractNode) -> None:
        node.make(on("192.0.2.1/24"))
        by_hand(node, "192.0.2.2/24")
        node.make(on("192.0.2.3/25"), on("192.0.2.4/24", "mesh1"), on("fd00::1/64"), on("fd00::2/64"))
        found = [address for address in node.seen("address").values() if isinstance(address, Address)]
        assert [address.address for address in found if address.secondary] == ["192.0.2.2/24"]
