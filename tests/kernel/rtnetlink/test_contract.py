"""A real kernel keeps the contract."""

import pytest

from tests.contract.addresses import AddressContract
from tests.contract.links import LackContract, LinkContract
from tests.contract.routes import RouteContract
from tests.contract.rules import RuleContract
from tests.contract.sysctls import SysctlContract


@pytest.mark.full_too
class TestLinks(LinkContract):
    pass


@pytest.mark.full_too
class TestAddresses(AddressContract):
    pass


@pytest.mark.full_too
class TestRoutes(RouteContract):
    pass


@pytest.mark.full_too
class TestRules(RuleContract):
    pass


@pytest.mark.full_too
class TestSysctls(SysctlContract):
    pass


class TestLacks(LackContract):
    pass
