"""The daemon with kernel WireGuard and GRE: the plain exit example is kept, in the memory of a small router."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.full.node.test_examples import adapted
from tests.host import Host
from tests.kernel.daemon.running import Programs, programs

EXAMPLE = Path(__file__).parents[3] / "examples" / "exit-gre.yaml"
MOST_BYTES = 60 << 20


@pytest.fixture
def start(node: Host) -> Iterator[Programs]:
    with programs(node) as made:
        yield made


def test_the_example_is_kept(node: Host, start: Programs) -> None:
    daemon = start.synced(adapted(node, EXAMPLE))
    assert daemon.status()["health"]["state"] == "healthy", daemon.status()["health"]
    peers = node.namespace.program("wg", "show", "wg-mesh", "peers").split()

    def repairs(*words: str) -> None:
        before = daemon.status()["rounds"]
        node.namespace.program(*words)
        # WireGuard tells nobody of its changes: a look by the clock finds them, or this.
        node.stellwerk("reconcile", *node.state())
        daemon.until(lambda status: status["rounds"] > before and status["sync"]["state"] == "synced", "a repair")

    repairs("ip", "link", "delete", "gre-provider")
    assert "gre-provider" in node.namespace.ip("link", "show")
    repairs("wg", "set", "wg-mesh", "peer", peers[0], "remove")
    assert set(node.namespace.program("wg", "show", "wg-mesh", "peers").split()) == set(peers)
    repairs("ip", "link", "delete", "wg-mesh")
    assert set(node.namespace.program("wg", "show", "wg-mesh", "peers").split()) == set(peers)
    assert node.plan(node.folder / "node.yaml")["in_sync"]
    assert daemon.resident_bytes() < MOST_BYTES
    assert daemon.end() == 0
