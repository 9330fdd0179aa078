"""Values as people write them, and the one form that the models hold."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from intent import fields
from intent.scalars import resolve

NUMBERS = [
    ("1", 1),
    ("+1", 1),
    ("-1", -1),
    ("007", 7),
    ("0o17", 15),
    ("0x1F", 31),
    ("1.5", 1.5),
    (".5", 0.5),
    ("1.", 1.0),
    ("1e3", 1000.0),
    ("-.inf", float("-inf")),
    ("9" * 41, float("inf")),
    ("-0x" + "f" * 41, "-0x" + "f" * 41),
    ("1_000", "1_000"),
    ("0b1", "0b1"),
    ("12:30", "12:30"),
    ("1.2.3", "1.2.3"),
    ("2001-01-01", "2001-01-01"),
    ("١", "١"),
    ("+", "+"),
    (".", "."),
    ("e5", "e5"),
    ("true", True),
    ("FALSE", False),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("Off", "Off"),
    ("y", "y"),
    ("~", None),
    ("Null", None),
    ("", None),
    ("tRue", "tRue"),
    ("fd00::1", "fd00::1"),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_unquoted_scalars_by_the_core_schema(text: str, value: object) -> None:
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


GOOD: list[tuple[Callable[[str], object], str, str]] = [
    (fields.parse_interface_name, "mesh0", "mesh0"),
    (fields.parse_interface_name, "eth0.100", "eth0.100"),
    (fields.parse_interface_name, "br-lan@x", "br-lan@x"),
    (fields.parse_interface_name, "öööööö0", "öööööö0"),
    (fields.parse_node_name, "Exit.berlin-7", "Exit.berlin-7"),
    (fields.parse_prefix, "2001:DB8:0::/32", "2001:db8::/32"),
    (fields.parse_prefix, "192.0.2.1", "192.0.2.1/32"),
    (fields.parse_prefix, "fd00::1", "fd00::1/128"),
    (fields.parse_prefix, "::/0", "::/0"),
    (fields.parse_prefix, "::ffff:192.0.2.0/120", "::ffff:c000:200/120"),
    (fields.parse_ipv6_prefix, "2001:0db8:0042::/56", "2001:db8:42::/56"),
    (fields.parse_interface_address, "FD00:0:0::1/64", "fd00::1/64"),
    (fields.parse_interface_address, "fd00::/127", "fd00::/127"),
    (fields.parse_interface_address, "192.0.2.0/31", "192.0.2.0/31"),
    (fields.parse_endpoint, "GW.Example.org:51820", "gw.example.org:51820"),
    (fields.parse_endpoint, "gw.example.org.:51820", "gw.example.org.:51820"),
    (fields.parse_endpoint, "[2001:DB8::0:3]:1", "[2001:db8::3]:1"),
    (fields.parse_endpoint, "192.0.2.1:65535", "192.0.2.1:65535"),
    # The last character holds two bits that belong to no byte.
    (
        fields.parse_public_key,
        "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hd=",
        "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc=",
    ),
    (fields.parse_path, "/etc//stellwerk/./keys/wg", "/etc/stellwerk/keys/wg"),
    (fields.parse_babeld_socket, "[::1]:33123", "[::1]:33123"),
    (fields.parse_babeld_socket, "/run//babeld.sock", "/run/babeld.sock"),
]


@pytest.mark.parametrize(("parse", "text", "normalised"), GOOD)
def test_one_form(parse: Callable[[str], object], text: str, normalised: str) -> None:
    assert str(parse(text)) == normalised


BAD: list[tuple[Callable[[str], object], str]] = [
    (fields.parse_interface_name, "a\u00a0b"),
    (fields.parse_interface_name, "a\x7f"),
    (fields.parse_interface_name, "a\u200bb"),
    (fields.parse_new_interface_name, "gretap0"),
    (fields.parse_node_name, "a..b"),
    (fields.parse_node_name, ""),
    (fields.parse_node_name, "x" * 64),
    (fields.parse_prefix, "10.0.0.0/255.0.0.0"),
    (fields.parse_prefix, "10.0.0.0/08"),
    (fields.parse_prefix, "10.0.0.0/ 8"),
    (fields.parse_prefix, "10/8"),
    (fields.parse_prefix, "::/129"),
    (fields.parse_prefix, "::/-1"),
    (fields.parse_prefix, "::1 /128"),
    (fields.parse_prefix, "١.0.0.0/8"),
    (fields.parse_prefix, ""),
    (fields.parse_address, "1.2.3"),
    (fields.parse_address, "1.2.3.04"),
    (fields.parse_address, "16909060"),
    (fields.parse_address, "fe80::1%1"),
    (fields.parse_interface_address, "10.0.0.255/24"),
    (fields.parse_interface_address, "10.0.0.0/24"),
    (fields.parse_endpoint, "[::1:51820"),
    (fields.parse_endpoint, "::1]:51820"),
    (fields.parse_endpoint, "[192.0.2.1]:51820"),
    (fields.parse_endpoint, "[]:51820"),
    (fields.parse_endpoint, "a:b:51820"),
    (fields.parse_endpoint, "host:051820"),
    (fields.parse_endpoint, "host:١"),
    (fields.parse_endpoint, "-host:1"),
    (fields.parse_endpoint, "x" * 64 + ".org:1"),
    (fields.parse_endpoint, "\x1b[2J:1"),
    (fields.parse_public_key, "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K-hc="),
    (fields.parse_public_key, "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/h=="),
    (fields.parse_public_key, "é" * 44),
    (fields.parse_path, "/"),
    (fields.parse_path, "/etc/"),
    (fields.parse_path, "/etc/a\nb"),
    (fields.parse_path, "/" + "x" * 1024),
    (fields.parse_babeld_socket, "/" + "x" * 107),
    (fields.parse_babeld_socket, "[::1]:70000"),
    (fields.parse_argument, ""),
    (fields.parse_argument, "a\0b"),
]


@pytest.mark.parametrize(("parse", "text"), BAD)
def test_what_is_refused(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(PydanticCustomError):
        parse(text)


PARSERS = list(dict.fromkeys([parse for parse, *_ in GOOD] + [parse for parse, _ in BAD]))


def normalised_or_refused(parse: Callable[[str], object], text: str) -> str | PydanticCustomError:
    try:
        return str(parse(text))
    except PydanticCustomError as error:
        return error


@given(st.sampled_from(PARSERS), st.one_of(st.text(), st.text("0123456789abcdefF:./%[]-", max_size=50)))
def test_every_text_is_normalised_once_and_for_all_or_refused(parse: Callable[[str], object], text: str) -> None:
    result = normalised_or_refused(parse, text)
    if isinstance(result, str):
        assert str(parse(result)) == result
    else:
        assert str(result).isprintable()


@given(st.text(min_size=8).filter(lambda text: not text.startswith("/")))
def test_no_message_about_a_key_file_repeats_it(text: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        fields.parse_key_path(text)
    assert text not in f"{caught.value} {caught.value.context}"
