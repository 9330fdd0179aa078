"""What is promised about policy rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from intent.resources import netlink
from intent.resources.netlink import NetlinkRequest
from intent.resources.resource import Key
from intent.resources.rule import Rule
from reconciler.core.errors import OccupiedError
from tests.contract.node import ContractNode

PLAIN = Rule(family="ipv6", priority=1000, routing_table=10)
ALL = {
    "lookup": PLAIN,
    "IPv4": Rule(family="ipv4", priority=1000, routing_table=10),
    "interface": replace(PLAIN, iif="mesh0"),
    "IPv4 interface": Rule(family="ipv4", priority=1000, routing_table=10, iif="mesh0"),
    "interface that is not there": replace(PLAIN, iif="absent"),
    "source": replace(PLAIN, source="2001:db8::/32"),
    "destination": replace(PLAIN, destination="2001:db8::/32"),
    "source and destination": replace(PLAIN, source="2001:db8::/32", destination="2001:db8:1::/48"),
    "IPv4 source": Rule(family="ipv4", priority=7, routing_table=10, source="10.0.0.0/8"),
    "unreachable": Rule(family="ipv6", priority=1001, action="unreachable", iif="mesh0"),
    "IPv4 unreachable": Rule(family="ipv4", priority=1001, action="unreachable"),
    "table above 255": replace(PLAIN, routing_table=70_000),
    "priority 0": replace(PLAIN, priority=0),
}
INVERT = (2).to_bytes(4, "little")
"""FIB_RULE_INVERT in the flags of ``struct fib_rule_hdr``: all packets but those that match."""
# fwmark, oif, uid range, source port, suppression of short prefixes (linux/fib_rules.h)
SELECTORS = {
    "fwmark": netlink.u32(10, 7),
    "outgoing interface": netlink.string(17, "mesh0"),
    "uid range": netlink.attribute(20, (1000).to_bytes(4, "little") + (2000).to_bytes(4, "little")),
    "source port": netlink.attribute(23, (53).to_bytes(2, "little") * 2),
    "suppressed prefixes": netlink.u32(14, 0),
}


def seen(node: ContractNode) -> dict[Key, Rule]:
    return {key: rule for key, rule in node.seen("rule").items() if isinstance(rule, Rule)}


def with_selector(rule: Rule, selector: netlink.Body) -> NetlinkRequest:
    """Return the request of an administrator for the rule with a selector that ours never have."""
    (request,) = replace(rule, protocol=4).create()
    assert isinstance(request, NetlinkRequest)
    return replace(request, body=netlink.join((*request.body, *selector)))


class RuleContract:
    @pytest.mark.parametrize("rule", ALL.values(), ids=ALL)
    def test_what_is_created_is_seen_as_it_was_asked_for(self, node: ContractNode, rule: Rule) -> None:
        node.make(rule)
        assert seen(node)[rule.key] == rule
        assert seen(node)[rule.key].owned()

    @pytest.mark.parametrize("rule", ALL.values(), ids=ALL)
    def test_created_twice_it_is_occupied(self, node: ContractNode, rule: Rule) -> None:
        node.make(rule)
        (answer,) = node.send(*rule.create())
        assert isinstance(answer, OccupiedError)

    @pytest.mark.parametrize("rule", ALL.values(), ids=ALL)
    def test_deleted_it_is_gone_and_deleted_again_that_is_no_error(self, node: ContractNode, rule: Rule) -> None:
        before = node.rows("rule")
        node.make(rule)
        assert node.send(*rule.delete()) == [None]
        assert node.rows("rule") == before
        assert node.send(*rule.delete()) == [None]
        assert node.rows("rule") == before

    def test_one_of_another_protocol_is_not_deleted(self, node: ContractNode) -> None:
        foreign = replace(PLAIN, protocol=4)
        node.make(foreign)
        assert node.send(*PLAIN.delete()) == [None]
        assert seen(node)[PLAIN.key] == foreign
        assert not foreign.owned()

    def test_one_of_another_protocol_leaves_the_place_to_ours(self, node: ContractNode) -> None:
        before = node.rows("rule")
        foreign = replace(PLAIN, protocol=4)
        node.make(foreign, PLAIN)
        assert node.send(*PLAIN.delete(), *foreign.delete()) == [None, None]
        assert node.rows("rule") == before

    @pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
    def test_a_foreign_rule_with_more_selectors_is_another_one(
        self, node: ContractNode, selector: netlink.Body
    ) -> None:
        assert node.send(with_selector(PLAIN, selector)) == [None]
        assert PLAIN.key not in seen(node)
        before = node.rows("rule")
        node.make(PLAIN)
        assert seen(node)[PLAIN.key] == PLAIN
        assert node.send(*PLAIN.delete()) == [None]
        assert node.rows("rule") == before

    def test_a_foreign_rule_that_says_not_is_another_one(self, node: ContractNode) -> None:
        ours = replace(PLAIN, iif="mesh0")
        (request,) = replace(ours, protocol=4).create()
        assert isinstance(request, NetlinkRequest)
        (body,) = request.body
        assert isinstance(body, bytes)
        assert node.send(replace(request, body=(body[:8] + INVERT + body[12:],))) == [None]
        assert ours.key not in seen(node)
        before = node.rows("rule")
        node.make(ours)
        assert seen(node)[ours.key] == ours
        assert node.send(*ours.delete()) == [None]
        assert node.rows("rule") == before

    def test_the_first_rule_that_has_all_that_is_told_is_deleted(self, node: ContractNode) -> None:
        """What is not told matches anything: rules of one priority and table must differ in what both of them say."""
        narrow = replace(PLAIN, source="2001:db8::/32", iif="mesh0")
        node.make(narrow, PLAIN)
        assert node.send(*PLAIN.delete()) == [None]
        assert narrow.key not in seen(node)
        assert PLAIN.key in seen(node)

    def test_rules_of_one_priority_that_differ_in_what_both_say_are_told_apart(self, node: ContractNode) -> None:
        several = [replace(PLAIN, iif=f"mesh{number}") for number in range(4)]
        several += [replace(PLAIN, source=f"2001:db8:{number:x}::/48") for number in range(1, 4)]
        several += [replace(PLAIN, iif="mesh0", action="unreachable", routing_table=None)]
        node.make(*several)
        for number, rule in enumerate(several[:7]):
            assert node.send(*rule.delete()) == [None]
            assert {left.key for left in several[number + 1 :]} <= seen(node).keys()

    def test_the_rules_of_the_kernel_are_not_ours(self, node: ContractNode) -> None:
        first = seen(node).values()
        assert {(rule.family, rule.priority, rule.routing_table) for rule in first} == {
            *(("ipv4", 0, 255), ("ipv4", 32766, 254), ("ipv4", 32767, 253)),
            *(("ipv6", 0, 255), ("ipv6", 32766, 254)),
        }
        assert not any(rule.owned() for rule in first)
