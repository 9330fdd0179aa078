"""A node begins to forward only when all is there that keeps packets from its own uplink."""

import pytest

from intent.expansion import expand
from intent.loading import loads
from intent.resources.rule import Rule
from intent.resources.sysctl import Sysctl, key
from tests.pure.intent.conftest import resolved

HEAD = "version: 1\nnode: berlin-7\n"
FILES = {
    "mesh": 'mesh: {prefixes: ["fd00:6d65:7368::/48"]}\n',
    "network": 'mesh: {}\nnetworks: [{prefix: "fd00:6d65:7368:7::/64", interface: clients}]\n',
    "delegated network": "mesh: {}\nnetworks: [{prefix: {delegated: wan, length: 64}, interface: clients}]\n"
    "exit: {allow_special_purpose: true, prefixes: []}\n",
    "exit": 'mesh: {}\nexit: {prefixes: [{prefix: "2a00:42::/48", via: {interface: wan}}]}\n',
    "delegated exit": "mesh: {}\nexit:\n  allow_special_purpose: true\n"
    "  prefixes: [{prefix: {delegated: wan, length: 60}, via: {interface: wan}}]\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_forwarding_waits_for_every_rule(text: str) -> None:
    node = loads((HEAD + text).encode(), "node.yaml")
    made = expand(node, resolved(node)).by_key
    forwarding = made[key("net/ipv6/conf/all/forwarding")]
    assert isinstance(forwarding, Sysctl)
    rules = {one.key for one in made.values() if isinstance(one, Rule)}
    assert rules
    assert rules <= set(forwarding.after)
