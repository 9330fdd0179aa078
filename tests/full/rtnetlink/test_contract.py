"""A real kernel keeps the contract for tunnels."""

from tests.contract.tunnels import TunnelContract


class TestTunnels(TunnelContract):
    pass
