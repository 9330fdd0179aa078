"""The figures of a real wireguard-go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from intent.statistics import Statistics
from reconciler.services.statistics.live_figures import LiveFigures
from tests.kernel.figures.wireguard_peers import PeersContract
from tests.kernel.wireguard.bed import IMPLEMENTATIONS, Bed, bed
from tests.kernel.wireguard.contract import many_peers


@pytest.fixture(name="bed")
def userspace_bed() -> Iterator[Bed]:
    with bed(IMPLEMENTATIONS["userspace"]) as made:
        yield made


class TestWireGuardGo(PeersContract):
    pass


def test_five_thousand_peers_cost_less_than_a_second(bed: Bed) -> None:
    bed.converge(bed.interface())
    peers = many_peers(bed.name(), 5000)
    assert set(bed.wireguard.send([request for peer in peers for request in peer.create()])) == {None}
    with closing(LiveFigures(Statistics(node="a", wireguard=(bed.name(),)), None)) as figures:
        deadline = time.monotonic() + 30
        while len(found := figures.peers()) < len(peers):
            assert time.monotonic() < deadline, figures.problems()
        assert {one.public_key for one in found} == {one.public_key for one in peers}
        # It is read once, however many ask; its own work for that is bounded.
        begun = time.process_time()
        assert all(figures.peers() is found for _ in range(1000))
        assert time.process_time() - begun < 1
