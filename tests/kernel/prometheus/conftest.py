"""An exporter in a network namespace, and whoever asks it from there."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.prometheus import Exporter
from tests.figures import FakeFigures
from tests.namespaces import Namespace, namespaces
from tests.scraped import Scraped, listening

PORT = 9742
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Node:
    """A namespace with an exporter on ``[::1]:9742``, and the figures that it takes its answers from."""

    namespace: Namespace
    figures: FakeFigures
    counters: Counters

    def scrape(self) -> Scraped:
        """Return what a scrape says."""
        return Scraped(self.ask().decode())

    def ask(self, path: str = "/metrics") -> bytes:
        """Return the body at a path. Raises HTTPError and OSError."""

        def fetch() -> bytes:
            with urllib.request.urlopen(f"http://[::1]:{PORT}{path}", timeout=ANSWER_SECONDS) as answer:
                found: bytes = answer.read()
                return found

        return self.namespace.run(fetch)

    def connect(self, source: str = "::1") -> socket.socket:
        """Return a connection to the exporter from one of the namespace's addresses."""
        return self.namespace.run(
            lambda: socket.create_connection(("::1", PORT), timeout=ANSWER_SECONDS, source_address=(source, 0))
        )


def give(namespace: Namespace, address: str, link: str = "lo") -> None:
    """Give a link an address with a prefix length, and wait until the kernel takes packets for it."""
    namespace.ip("address", "add", address, "dev", link, *(["nodad"] if ":" in address else []))
    until(
        lambda: (
            f"local {address.partition('/')[0]}"
            in namespace.ip("route", "show", "table", "local") + namespace.ip("-6", "route", "show", "table", "local")
        ),
        f"the route to {address}",
    )


@contextmanager
def exporting(namespace: Namespace, address: str, figures: FakeFigures, counters: Counters) -> Iterator[Exporter]:
    """Give a started exporter at an address of the namespace."""
    figures.settings = listening(address, PORT, routes=figures.settings.prometheus is not None)
    exporter = Exporter(figures, counters)
    namespace.run(exporter.start)
    try:
        yield exporter
    finally:
        exporter.close()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with namespaces(1) as (found,):
        yield found


@pytest.fixture
def node(namespace: Namespace) -> Iterator[Node]:
    figures, counters = FakeFigures(), Counters()
    with exporting(namespace, "::1", figures, counters):
        yield Node(namespace, figures, counters)


def until(what: Callable[[], bool], words: str, seconds: float = 60.0) -> None:
    """Wait for something, with a bound."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"{words}: not within {seconds:.0f} s"
        time.sleep(0.05)
