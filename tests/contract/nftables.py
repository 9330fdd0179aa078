"""What is promised about our own table of nftables."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from ipaddress import IPv6Network

import pytest

from intent.resources import nftables_parts as nft
from intent.resources.nftables_parts import Hook, NftChain, NftRule, NftSet, Statement
from intent.resources.nftables_table import FAMILY, MARK, TABLE, ChangeNftables, NftTable
from reconciler.core.errors import OccupiedError, StaleError
from tests.contract.node import ContractNode

PARTS = frozenset({f"{FAMILY} {TABLE}"})
INSIDE = IPv6Network("2001:db8:42::/56")
OTHER = IPv6Network("fd00:1::/48")
LEAVING = (nft.interface("iifname", "@mesh"), nft.interface("oifname", "wan"))


def rule(*statements: Statement) -> NftRule:
    return NftRule.of(statements)


REFUSING = NftChain(
    "leaving",
    Hook("filter", "forward", 0),
    (
        rule(*LEAVING, nft.address("saddr", "@inside", other=True), nft.count("spoofed"), nft.REJECT_SOURCE),
        rule(*LEAVING, nft.IS_IPV4, nft.count("spoofed"), nft.REJECT_PROHIBITED),
    ),
)
CLAMPING = NftChain(
    "clamp", Hook("filter", "forward", -150), (rule(nft.interface("oifname", "@mesh"), nft.IS_SYN, nft.CLAMP_MSS),)
)
OUTWARD = NftChain(
    "source",
    Hook("nat", "postrouting", 100),
    (
        rule(nft.interface("oifname", "wan"), nft.address("saddr", OTHER), nft.translate("snat", INSIDE)),
        rule(nft.interface("oifname", "wan"), nft.address("saddr", INSIDE), nft.MASQUERADE),
    ),
)
INWARD = NftChain(
    "destination",
    Hook("nat", "prerouting", -100),
    (rule(nft.interface("iifname", "wan"), nft.address("daddr", INSIDE), nft.translate("dnat", OTHER)),),
)
MESH = NftSet.of_names("mesh", ["mesh0", "mesh1", "sw-abcdefghijkl", "wan.5"])
PREFIXES = NftSet.of_prefixes("inside", [INSIDE, OTHER])
NEIGHBOURS = NftSet.of_prefixes("inside", [IPv6Network(f"2001:db8:0:{number:x}00::/56") for number in range(1, 4)])

TABLES = {
    "empty": NftTable(),
    "refusing": NftTable.of(counters=["spoofed"], sets=[MESH, PREFIXES], chains=[REFUSING]),
    "no interfaces": NftTable.of(
        counters=["spoofed"], sets=[NftSet.of_names("mesh", []), NftSet.of_prefixes("inside", [])], chains=[REFUSING]
    ),
    "prefixes side by side": NftTable.of(counters=["spoofed"], sets=[MESH, NEIGHBOURS], chains=[REFUSING]),
    "one address": NftTable.of(sets=[NftSet.of_prefixes("inside", [IPv6Network("2001:db8::1/128")])]),
    "clamping": NftTable.of(sets=[MESH], chains=[CLAMPING]),
    "translating": NftTable.of(chains=[OUTWARD, INWARD]),
    "another hook": NftTable.of(sets=[MESH], chains=[replace(CLAMPING, hook=Hook("filter", "postrouting", 7))]),
    "only jumped to": NftTable.of(chains=[NftChain("aside", None, (rule(nft.DROP),))]),
    "all": NftTable.of(
        counters=["spoofed", "more"], sets=[MESH, PREFIXES], chains=[REFUSING, CLAMPING, OUTWARD, INWARD]
    ),
}


def by_hand(*commands: object) -> ChangeNftables:
    """Return the request of an administrator, who makes no mark."""
    return ChangeNftables(tuple(map(json.dumps, commands)), "by hand")


def added(what: str, **told: object) -> object:
    return {"add": {what: {"family": FAMILY, "table": TABLE, **told}}}


def created(name: str = TABLE) -> object:
    return {"create": {"table": {"family": FAMILY, "name": name}}}


DROP = added("rule", chain="leaving", expr=[{"drop": None}])
BY_HAND = {
    "rule": (DROP,),
    "rule with a comment": (added("rule", chain="leaving", expr=[{"drop": None}], comment="mine"),),
    "element": (added("element", name="mesh", elem=["mesh9"]),),
    "prefix": (added("element", name="inside", elem=[nft.prefix_json(IPv6Network("2001:db8:7::/48"))]),),
    "chain": (added("chain", name="mine"), added("rule", chain="mine", expr=[{"drop": None}])),
    "base chain": (added("chain", name="mine", type="filter", hook="input", prio=3, policy="drop"),),
    "set": (added("set", name="mine", type="ifname"),),
    "map": (added("map", name="mine", type="ipv6_addr", map="mark"),),
    "counter": (added("counter", name="mine"),),
    "rule where our mark is": (added("rule", chain=MARK, expr=[{"drop": None}]),),
    "rules gone": ({"flush": {"chain": {"family": FAMILY, "table": TABLE, "name": "leaving"}}},),
}


def seen(node: ContractNode) -> NftTable | None:
    found = list(node.seen("nftables", PARTS).values())
    assert all(isinstance(one, NftTable) for one in found)
    return found[0] if found else None  # type: ignore[return-value]


class NftablesContract:
    @pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
    def test_what_is_created_is_seen_as_it_was_asked_for(self, node: ContractNode, table: NftTable) -> None:
        assert node.lacks(*table.create()) == []
        assert seen(node) is None
        node.make(table)
        found = seen(node)
        assert found == table
        assert found.owned()
        assert table.changes(found) == {}

    def test_created_twice_it_is_occupied(self, node: ContractNode) -> None:
        node.make(TABLES["all"])
        (answer,) = node.send(*TABLES["clamping"].create())
        assert isinstance(answer, OccupiedError)
        assert seen(node) == TABLES["all"]

    def test_deleted_it_is_gone_and_deleted_again_that_is_no_error(self, node: ContractNode) -> None:
        node.make(TABLES["all"])
        assert node.send(*TABLES["all"].delete(), *TABLES["all"].delete()) == [None, None]
        assert seen(node) is None

    @pytest.mark.parametrize(
        ("before", "after"), [pytest.param(*two, id=" → ".join(two)) for two in itertools.permutations(TABLES, 2)]
    )
    def test_any_table_becomes_any_other_in_one_step(self, node: ContractNode, before: str, after: str) -> None:
        wanted, there = TABLES[after], TABLES[before]
        node.make(there)
        (request,) = wanted.update(there, wanted.changes(there))
        assert node.send(request) == [None]
        assert seen(node) == wanted

    @pytest.mark.parametrize("commands", BY_HAND.values(), ids=BY_HAND)
    def test_what_is_done_to_it_by_hand_is_seen_and_undone(
        self, node: ContractNode, commands: tuple[object, ...]
    ) -> None:
        wanted = TABLES["refusing"]
        node.make(wanted)
        assert node.send(by_hand(*commands)) == [None]
        found = seen(node)
        assert found is not None
        assert found.owned()
        assert wanted.changes(found)
        assert node.send(*wanted.update(found, wanted.changes(found))) == [None]
        found = seen(node)
        assert found == wanted
        assert found.owned()

    def test_one_without_our_mark_is_not_ours(self, node: ContractNode) -> None:
        assert node.send(by_hand(created(), added("chain", name="mine"))) == [None]
        found = seen(node)
        assert found is not None
        assert not found.owned()

    def test_tables_of_others_are_not_seen(self, node: ContractNode) -> None:
        assert node.send(by_hand(created("theirs"))) == [None]
        assert node.rows("nftables", PARTS) == []

    def test_a_change_that_cannot_be_made_whole_is_not_made_at_all(self, node: ContractNode) -> None:
        there = TABLES["clamping"]
        node.make(there)
        answers = node.send(by_hand({"delete": {"chain": {"family": FAMILY, "table": TABLE, "name": "clamp"}}}, DROP))
        assert answers != [None]
        assert seen(node) == there

    def test_a_table_that_is_gone_is_stale(self, node: ContractNode) -> None:
        wanted = TABLES["refusing"]
        (answer,) = node.send(*wanted.update(NftTable(), wanted.changes(NftTable())))
        assert isinstance(answer, StaleError)
