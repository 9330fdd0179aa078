"""One spelling for what different versions of nft list."""

import json
from typing import Any

import pytest

from intent.resources import nftables_parts as nft
from intent.resources.nftables_lines import elements, line
from intent.resources.nftables_table import FAMILY, TABLE, NftTable, NftTableRow

FLAGS = {"payload": {"protocol": "tcp", "field": "flags"}}
PREFIX = {"prefix": {"addr": "2001:db8:5::", "len": 48}}
SNAT = {"family": "ip6", "addr": PREFIX}


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


SAME = {
    "one flag, as it is and in a list (1.1.5)": (
        {"snat": {**SNAT, "flags": "netmap", "type_flags": "prefix"}},
        {"snat": {**SNAT, "flags": ["netmap"], "type_flags": ["prefix"]}},
    ),
    "flags in another order": (
        match({"&": [FLAGS, ["syn", "rst"]]}, "syn"),
        match({"&": [FLAGS, ["rst", "syn"]]}, "syn"),
    ),
    "flags joined by a mark": (
        match({"&": [FLAGS, ["syn", "rst"]]}, "syn"),
        match({"&": [FLAGS, {"|": ["syn", "rst"]}]}, "syn"),
    ),
    "flags one by one": (match({"&": [FLAGS, ["syn", "rst"]]}, "syn"), match({"&": [FLAGS, "syn", "rst"]}, "syn")),
    "a statement without a value": ({"masquerade": None}, {"masquerade": {}}),
    "what a counter has counted": ({"counter": {"packets": 0, "bytes": 0}}, {"counter": {"packets": 7, "bytes": 99}}),
    "an address in another spelling": (
        match({"payload": {"protocol": "ip6", "field": "saddr"}}, "2001:db8::1"),
        match({"payload": {"protocol": "ip6", "field": "saddr"}}, "2001:0db8:0:0::1"),
    ),
}
OTHER = {
    "another operator": (match(FLAGS, "syn"), match(FLAGS, "syn", "!=")),
    "a flag within others and that flag alone": (match(FLAGS, "syn"), match(FLAGS, "syn", "in")),
    "a counter of its own and a named one": ({"counter": None}, {"counter": "spoofed_out"}),
    "another reason": (
        {"reject": {"type": "icmpv6", "expr": "policy-fail"}},
        {"reject": {"type": "icmpv6", "expr": "admin-prohibited"}},
    ),
    "a port beside the address": (
        {"snat": {**SNAT, "flags": "netmap", "type_flags": "prefix"}},
        {"snat": {**SNAT, "flags": "netmap", "type_flags": "prefix", "port": 7}},
    ),
    "another flag": ({"masquerade": None}, {"masquerade": {"flags": "random"}}),
    "what is not known": ({"xt": {"type": "match", "name": "a"}}, {"xt": {"type": "match", "name": "b"}}),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_same_in_other_words(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert line([one]) == line([other])


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_not_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert line([one]) != line([other])


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (
            [nft.interface("iifname", "@mesh"), nft.address("saddr", "@exit_wan", other=True), nft.REJECT_SOURCE],
            "iifname @mesh ip6 saddr != @exit_wan reject with icmpv6 policy-fail",
        ),
        ([nft.IS_SYN, nft.CLAMP_MSS], "tcp flags & (rst | syn) == syn tcp option maxseg size set rt mtu"),
        ([nft.IS_IPV4, nft.count("a"), nft.DROP], "meta nfproto ipv4 counter name a drop"),
        ([{"xt": None}, {"accept": None}], '{"xt":null} accept'),
        (["nonsense", 7, {}, {"match": 1}], '"nonsense" 7 {} {"match":1}'),
    ],
)
def test_the_words_are_those_of_nft(statements: list[Any], words: str) -> None:
    assert line(statements) == words


@pytest.mark.parametrize(
    "listed",
    [
        [{"prefix": {"addr": "2001:db8::", "len": 56}}, {"prefix": {"addr": "2001:db8:0:100::", "len": 56}}],
        [{"prefix": {"addr": "2001:db8::", "len": 55}}],
        [{"range": ["2001:db8::", "2001:db8:0:1ff:ffff:ffff:ffff:ffff"]}],
        [{"prefix": {"addr": "2001:db8:0:100::", "len": 56}}, {"prefix": {"addr": "2001:db8::", "len": 56}}],
    ],
)
def test_intervals_side_by_side_are_one(listed: list[Any]) -> None:
    assert elements("ipv6_addr", listed) == ("2001:db8::/55",)


def test_what_is_no_prefix_stays_what_it_is() -> None:
    assert elements("ipv6_addr", ["2001:db8::1"]) == ("2001:db8::1/128",)
    timed = {"elem": {"val": "2001:db8::1", "timeout": 60}}
    assert elements("ipv6_addr", [timed]) == ('{"elem":{"timeout":60,"val":"2001:db8::1"}}',)
    assert elements("ifname", ["wan", "mesh0"]) == ("mesh0", "wan")


@pytest.mark.parametrize("listing", ["{", "[]", '{"nftables": [{"rule": {}}]}', '{"nftables": [{}]}', '{"x": 1}'])
def test_a_listing_that_cannot_be_read_is_an_error_and_no_table(listing: str) -> None:
    with pytest.raises((ValueError, LookupError)):
        NftTable.decode(NftTableRow(FAMILY, TABLE, listing), None)


def test_a_table_of_another_name_is_not_decoded() -> None:
    listing = json.dumps({"nftables": [{"table": {"family": "inet", "name": "theirs", "handle": 1}}]})
    assert NftTable.decode(NftTableRow("inet", "theirs", listing), None) is None
