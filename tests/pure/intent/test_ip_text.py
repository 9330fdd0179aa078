"""Addresses and prefixes as text: whatever is said without `ipaddress` is what that would say."""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from intent import fields, ip_text
from intent.prefixes import any_normalised

Address = IPv4Address | IPv6Address

# Runs of zeros are what makes them hard.
_groups = st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0xDB8, 0xFE80, 0xFF02, 0xFF]), min_size=8, max_size=8)
sparse = _groups.map(lambda groups: IPv6Address(b"".join(group.to_bytes(2) for group in groups)))
_octets = st.lists(st.sampled_from([0, 0, 1, 10, 127, 192, 223, 224, 255]), min_size=4, max_size=4)
addresses: st.SearchStrategy[Address] = st.one_of(
    st.ip_addresses(), sparse, _octets.map(lambda octets: IPv4Address(bytes(octets)))
)
lengths = st.integers(0, 129)
SPELLINGS = ("plain", "exploded", "upper")
pieces = st.lists(
    st.sampled_from(
        [":", "::", ".", "0", "00", "1", "01", "a", "F", "db8", "12345", "10", "255", "256", "/", "24", "%"]
    )
)


def spelling(address: Address, how: str) -> str:
    return {"plain": str(address), "exploded": address.exploded, "upper": str(address).upper()}[how]


def asked(text: str) -> str:
    """Return what a prefix is by way of `ipaddress`, or the words in which it is refused."""
    try:
        return str(fields.parse_prefix(text))
    except PydanticCustomError as error:
        return f"refused: {error.message()}"


def outcome(text: str) -> str:
    try:
        return any_normalised(text)
    except PydanticCustomError as error:
        return f"refused: {error.message()}"


@given(addresses)
@example(IPv6Address("::ffff:192.0.2.1"))
@example(IPv6Address("1:2:3:4:5:6:0:1"))
def test_an_address_is_packed_and_unpacked_as_python_does(address: Address) -> None:
    assert ip_text.unpacked(address.packed) == str(address)
    for how in SPELLINGS:
        assert ip_text.packed(spelling(address, how)) == address.packed
    assert not ip_text.is_common_address(str(address)) or str(ipaddress.ip_address(str(address))) == str(address)


@pytest.mark.parametrize("data", [b"", b"123", b"12345", bytes(15), bytes(17)])
def test_other_bytes_are_no_address(data: bytes) -> None:
    with pytest.raises(ValueError, match="not appear to be"):
        ip_text.unpacked(data)


@given(addresses, lengths, st.sampled_from(SPELLINGS))
def test_a_prefix_of_either_family_is_spelt_or_refused_as_by_ipaddress(address: Address, length: int, how: str) -> None:
    text = f"{spelling(address, how)}/{length}"
    assert outcome(text) == asked(text)
    if length <= address.max_prefixlen:
        network = ipaddress.ip_network((address, length), strict=False)
        assert any_normalised(f"{spelling(network.network_address, how)}/{length}") == str(network)
        assert any_normalised(str(network)) == str(network)


@given(pieces.map("".join))
@example("10.0.0.0/08")
@example("10.0.0.0/33")
@example("010.0.0.0/8")
@example("10.0.0/8")
@example("10.0.0.0")
@example("10.0.0.0/24\n")
@example("١0.0.0.0/8")
@example("1:2:3:4:5:6:7::/128")
@example("1:2:3:4:5:6:7:8:9/128")
@example("1::2::3/128")
@example("1::/1٢8")
def test_anything_else_is_refused_in_the_same_words(text: str) -> None:
    assert outcome(text) == asked(text)


@pytest.mark.parametrize("text", ["::/0", "fd00:1::/48", "fd00::5/128", "10.1.0.0/16", "0.0.0.0/0", "192.0.2.1/32"])
def test_what_most_peers_have_is_not_copied(text: str) -> None:
    network: IPv4Network | IPv6Network = ipaddress.ip_network(text)
    assert any_normalised(text) is text
    assert str(network) == text


@given(addresses, st.integers(0, 70000), st.sampled_from(SPELLINGS))
@example(IPv6Address("ff02::1"), 1, "plain")
@example(IPv6Address("fe80::1"), 1, "plain")
@example(IPv6Address("febf:ffff::"), 1, "plain")
@example(IPv6Address("fec0::1"), 1, "plain")
@example(IPv6Address("ff:1::2"), 1, "plain")
@example(IPv6Address("::"), 1, "plain")
@example(IPv4Address("0.0.0.0"), 1, "plain")
@example(IPv4Address("224.0.0.1"), 1, "plain")
@example(IPv4Address("240.0.0.1"), 1, "plain")
def test_an_endpoint_is_read_as_ipaddress_reads_its_address(address: Address, port: int, how: str) -> None:
    host = spelling(address, how)
    text = f"[{host}]:{port}" if address.version == 6 else f"{host}:{port}"
    refused = address.is_multicast or address.is_unspecified or not 0 < port < 65536
    if refused or (address.version == 6 and address.is_link_local):
        with pytest.raises(PydanticCustomError):
            fields.parse_endpoint(text)
    else:
        assert fields.parse_endpoint(text) == fields.Endpoint(str(address), port, is_name=False)


@given(pieces.map("".join), st.sampled_from(["", ":1", "]:1", ":01", ":65536"]), st.booleans())
@example("1:2:3:4:5:6:7::", "]:1", True)
@example("1::2::3", "]:1", True)
def test_only_addresses_are_endpoints_without_a_name(head: str, tail: str, bracket: bool) -> None:
    found = ip_text.host_and_port("[" * bracket + head + tail)
    if found is not None:
        assert found == (str(ipaddress.ip_address(found[0])), 1)
