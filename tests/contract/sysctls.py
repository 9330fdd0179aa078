"""What is promised about kernel parameters."""

from __future__ import annotations

from intent.resources.sysctl import Sysctl, WriteSysctl
from reconciler.core.errors import RejectedError, StaleError
from tests.contract.node import ContractNode

ALL = "net/ipv6/conf/all/forwarding"
OF_LINK = "net/ipv6/conf/mesh0/accept_ra"


def value(node: ContractNode, name: str) -> str | None:
    found = [row for row in node.rows("sysctl", frozenset({name})) if row[0] == name]
    return found[0][1] if found else None


class SysctlContract:
    def test_what_is_written_is_seen(self, node: ContractNode) -> None:
        wanted = Sysctl(name=OF_LINK, value="2")
        assert value(node, OF_LINK) == "1"
        node.make(wanted)
        assert node.seen("sysctl", frozenset({OF_LINK})) == {wanted.key: wanted}

    def test_only_what_is_named_is_seen(self, node: ContractNode) -> None:
        assert {row[0] for row in node.rows("sysctl", frozenset({ALL, OF_LINK}))} == {ALL, OF_LINK}
        assert node.rows("sysctl", frozenset()) == []

    def test_forwarding_for_all_links_is_set_for_each(self, node: ContractNode) -> None:
        node.make(Sysctl(name=ALL, value="1"))
        assert value(node, "net/ipv6/conf/mesh0/forwarding") == "1"
        assert value(node, "net/ipv6/conf/default/forwarding") == "1"

    def test_a_parameter_that_is_not_there_is_stale_and_not_seen(self, node: ContractNode) -> None:
        name = "net/ipv6/conf/absent/forwarding"
        (answer,) = node.send(WriteSysctl(name, "1"))
        assert isinstance(answer, StaleError)
        assert node.rows("sysctl", frozenset({name})) == []

    def test_a_value_that_the_kernel_does_not_take_is_rejected(self, node: ContractNode) -> None:
        (answer,) = node.send(WriteSysctl(ALL, "yes"))
        assert isinstance(answer, RejectedError)
        assert value(node, ALL) == "0"
