"""A real kernel and a real nft keep the contract."""

from tests.contract.nftables import NftablesContract


class TestNftables(NftablesContract):
    pass
