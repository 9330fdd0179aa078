"""The fake keeps the contract of the real kernel, so that what is tested on it holds there too."""

import pytest

from reconciler.backends.fake import FakeNode
from tests.contract.addresses import AddressContract
from tests.contract.links import LackContract, LinkContract
from tests.contract.nftables import NftablesContract
from tests.contract.node import ContractNode
from tests.contract.routes import RouteContract
from tests.contract.rules import RuleContract
from tests.contract.sysctls import SysctlContract
from tests.contract.tunnels import TunnelContract


class TestLinks(LinkContract):
    pass


class TestAddresses(AddressContract):
    pass


class TestRoutes(RouteContract):
    pass


class TestRules(RuleContract):
    pass


class TestSysctls(SysctlContract):
    pass


class TestNftables(NftablesContract):
    pass


class TestTunnels(TunnelContract):
    pass


class TestLacks(LackContract):
    @pytest.fixture
    def node(self) -> ContractNode:
        return ContractNode([FakeNode(link_kinds=frozenset({"bridge"}))])
