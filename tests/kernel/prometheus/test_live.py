"""What a scrape says of a real node: its interfaces, its machine, and its own process."""

from __future__ import annotations

from intent.statistics import MeshInterface, Statistics
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.live_figures import LiveFigures
from reconciler.services.statistics.prometheus import Exporter
from tests.kernel.prometheus.conftest import PORT, Node, until
from tests.namespaces import namespaces
from tests.scraped import listening


def test_interfaces_of_the_kernel_and_the_machine() -> None:
    asked = Statistics(
        node="berlin-7",
        mesh_interfaces=(MeshInterface(name="mesh0"), MeshInterface(name="mesh1")),
        prometheus=listening("::1", PORT).prometheus,
    )
    with namespaces(2) as (here, there):
        here.cable("mesh0", there, "mesh0")
        figures = here.run(lambda: LiveFigures(asked, None))
        exporter = Exporter(figures)
        here.run(exporter.start)
        try:
            node = Node(here, figures, Counters())  # type: ignore[arg-type]
            told = node.scrape()
            assert set(told.all("stellwerk_part_up")) == {1}
            assert told.value("stellwerk_link_info", interface="mesh0", kind="veth", mesh="true") == 1
            # The file names it, and nothing has made it.
            assert told.value("stellwerk_link_up", interface="mesh1") == 0
            # Neighbour discovery and the like go over it.
            until(lambda: node.scrape().value("stellwerk_link_receive_packets_total", interface="mesh0") > 0, "packets")
            there.ip("link", "set", "mesh0", "down")
            until(lambda: node.scrape().value("stellwerk_link_up", interface="mesh0") == 0, "the carrier is lost")
            total = told.value("stellwerk_machine_memory_bytes", kind="total")
            assert 0 < told.value("process_resident_memory_bytes") < total
            assert not [name for name in told.names if name.startswith(("babel_", "wireguard_"))]
        finally:
            exporter.close()
            figures.close()
