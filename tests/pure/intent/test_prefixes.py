"""IPv6 prefixes as text: the same spelling, and the same refusals, as those of `ipaddress`."""

from ipaddress import IPv6Network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from intent.fields import parse_ipv6_prefix
from intent.prefixes import normalised


def outcome(text: str) -> str:
    try:
        return normalised(text)
    except PydanticCustomError as error:
        return f"refused: {error.message()}"


def expected(text: str) -> str:
    try:
        return str(parse_ipv6_prefix(text))
    except PydanticCustomError as error:
        return f"refused: {error.message()}"


sparse = st.lists(st.sampled_from([0, 0, 0, 1, 0xDB8, 0x2001, 0xFFFF]), min_size=8, max_size=8).map(
    lambda groups: int("".join(f"{group:04x}" for group in groups), 16)
)
networks = st.builds(
    lambda number, length: IPv6Network((number >> (128 - length) << (128 - length), length)),
    st.one_of(sparse, st.integers(0, 2**128 - 1)),
    st.integers(0, 128),
)
LENGTHS = ["", "/0", "/64", "/128", "/129"]
words = st.lists(st.sampled_from([":", "::", "0", "00", "1", "a", "F", "db8", "2001", "12345", ".", "/", "48", "128"]))


@given(networks)
@example(IPv6Network("::/0"))
@example(IPv6Network("::ffff:192.0.2.0/120"))
@example(IPv6Network("0:0:1::/48"))
def test_every_spelling_of_a_prefix_gives_the_same_text(network: IPv6Network) -> None:
    text = str(network)
    assert normalised(text) is text
    assert normalised(network.exploded) == text
    assert normalised(text.upper()) == text
    address, _, length = network.exploded.partition("/")
    assert normalised(":".join(group.lstrip("0") or "0" for group in address.split(":")) + f"/{length}") == text


@given(
    st.builds(lambda head, length: "".join(head) + length, words, st.sampled_from(["", "/0", "/64", "/128", "/129"]))
)
@example("1::/16\n")
@example("١::/16")
@example("1:2:3:4:5:6:7::/112")
@example("1:2:3:4:5:6::/100")
@example("2001:db8::1/48")
@example("::1.2.3.4/128")
@example("1::2::3/64")
@example("+1::/16")
def test_what_is_no_prefix_is_refused_in_the_same_words(text: str) -> None:
    assert outcome(text) == expected(text)


@given(networks, st.integers(0, 128))
def test_bits_behind_the_length_are_refused(network: IPv6Network, length: int) -> None:
    text = f"{network.network_address}/{length}"
    assert outcome(text) == expected(text)


@pytest.mark.parametrize("text", ["2001:db8:1::/48", "2001:db8::/32", "1:2:3:4:5:6::/96", "2001:db8::1/128", "::/0"])
def test_text_in_its_one_spelling_is_not_copied(text: str) -> None:
    assert normalised(text) is text
