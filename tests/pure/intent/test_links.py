"""What two nodes derive from their keys without a word: the same name, and each other's addresses."""

from ipaddress import IPv6Address, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from intent.display import width
from intent.features.links import is_link_name, link_address, link_name
from intent.fields import parse_interface_name

keys = st.binary(min_size=32, max_size=32)


@given(keys, keys)
def test_both_sides_make_the_same_name(one: bytes, other: bytes) -> None:
    name = link_name(one, other)
    assert name == link_name(other, one)
    assert parse_interface_name(name) == name
    assert is_link_name(name)
    assert len(name) == 15 == sum(map(width, name))


@given(keys, keys)
def test_each_side_has_an_address_that_the_other_can_compute(one: bytes, other: bytes) -> None:
    own, theirs = link_address(one, other), link_address(other, one)
    assert own in IPv6Network("fe80::/64")
    assert (own == theirs) == (one == other)


@given(keys, keys, keys)
def test_every_link_of_a_node_is_another(own: bytes, one: bytes, other: bytes) -> None:
    if one != other:
        assert link_name(own, one) != link_name(own, other)
        assert link_address(own, one) != link_address(own, other)


def test_the_derivation_never_changes() -> None:
    """Nodes of different versions have to agree: these values are part of the language."""
    one, other = bytes(range(32)), bytes(range(32, 64))
    assert link_name(one, other) == "sw-r63vsdwsx6hh"
    assert link_address(one, other) == IPv6Address("fe80::2b72:241f:9f16:bea3")
    assert link_address(other, one) == IPv6Address("fe80::22f4:d797:5c15:fcc0")
