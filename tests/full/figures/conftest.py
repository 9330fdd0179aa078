import pytest

pytest.register_assert_rewrite("tests.kernel.wireguard.bed", "tests.kernel.figures.wireguard_peers")
