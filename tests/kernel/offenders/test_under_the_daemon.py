"""A stranger two hops away from a node that a daemon keeps: refused, named, and gone when it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.host import Host, host, until
from tests.kernel.daemon.running import MESH, Daemon, Programs, programs
from tests.namespaces import Namespace, namespaces

NETWORK = "2001:db8:7::/64"
INSIDE = "2001:db8:7::/80"
EXIT = "2001:db8:4200::/56"
PART = "2001:db8:4200:5::/64"
CLIENT = "2001:db8:4200:5::7"
NOTICED_SECONDS = 3.0
"""A route that babeld installs is news: it is refused within a second, and babeld itself takes one or two."""


class Stranger:
    """A node behind the neighbour, whose babeld announces all that it is given."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace = namespace
        self.pid_file = folder / "stranger.pid"
        files = ("-I", str(self.pid_file), "-S", f"{folder}/stranger.state", "-L", f"{folder}/stranger.log")
        options = ("import-table 10", "redistribute proto 242 allow", "redistribute proto 243 metric 65534")
        rest = [word for option in (*options, "redistribute local deny") for word in ("-C", option)]
        namespace.program("babeld", "-D", "-z", "0", "-h", "1", "-H", "1", *files, *rest, "far")

    def announce(self, destination: str, source: str | None = None, verb: str = "add", protocol: int = 242) -> None:
        origin = () if source is None else ("from", source)
        self.namespace.ip(
            *("-6", "route", verb, destination, *origin, "dev", "lo", "proto", str(protocol), "table", "10")
        )

    def retract(self, destination: str, source: str | None = None) -> None:
        self.announce(destination, source, "replace", 243)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    with host(tmp_path) as made:
        made.namespace.cable("clients", made.neighbour, "clients")
        yield made


@pytest.fixture
def start(node: Host) -> Iterator[Programs]:
    with programs(node) as made:
        yield made


@pytest.fixture
def stranger(node: Host) -> Iterator[Stranger]:
    with ExitStack() as stack:
        (namespace,) = stack.enter_context(namespaces(1))
        namespace.cable("far", node.neighbour, "near")
        for end, name in ((namespace, "far"), (node.neighbour, "near")):
            until(lambda end=end, name=name: "fe80::" in end.ip("address", "show", name), "the link-local address")  # type: ignore[misc]
        node.start_neighbour("near")
        yield Stranger(namespace, node.folder)


def _node_file(node: Host) -> Path:
    text = MESH + f'networks: [{{prefix: "{NETWORK}", interface: clients}}]\n'
    text += "exit:\n  allow_special_purpose: true\n  prefixes:\n"
    text += f'    - {{prefix: "{EXIT}", via: {{interface: wan, gateway: "fe80::1"}}}}\n'
    return node.node_file(text)


def _offenders(status: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["destination"], one["source"]): one for one in status["offenders"]}


def _way(node: Host, destination: str, source: str) -> str:
    """Return the way that the kernel gives a packet from the mesh."""
    return node.namespace.ip("-6", "route", "get", destination, "from", source, "iif", "mesh0")


def _goes_by(dev: str, node: Host, destination: str, source: str) -> bool:
    try:
        return f"dev {dev}" in _way(node, destination, source)
    except subprocess.CalledProcessError:
        # Just now it is unreachable.
        return False


def _by_babel(node: Host) -> str:
    return node.namespace.ip("-6", "route", "show", "table", "10", "proto", "babel")


def _identity(node: Host, stranger: Stranger) -> tuple[str, str]:
    """Return the stranger's router id, by what the node's babeld says, and the neighbour's link-local address."""
    line = next(line for line in node.babeld_dump().splitlines() if line.startswith("add route "))
    return line.partition(" id ")[2].split()[0], line.partition(" via ")[2].split()[0]


def _refused(daemon: Daemon, place: tuple[str, str]) -> dict[str, Any]:
    def is_refused(status: dict[str, Any]) -> bool:
        return place in _offenders(status) and bool(_offenders(status)[place]["refused"])

    return _offenders(daemon.until(is_refused, f"that {place} is refused"))[place]


def test_a_default_without_from_is_refused_and_named(node: Host, stranger: Stranger, start: Programs) -> None:
    daemon = start.synced(_node_file(node))
    before = _way(node, "2001:db8:ffff::1", CLIENT)
    assert "dev wan" in before
    stranger.announce("default")
    until(lambda: "prefix ::/0 from ::/0" in node.babeld_dump(), "the route at the node's babeld")
    router_id, neighbour = _identity(node, stranger)
    begun = time.time()
    found = _refused(daemon, ("::/0", "::/0"))
    assert (found["kind"], found["router_id"], found["neighbour"]) == ("default", router_id, neighbour)
    assert found["interface"] == "mesh0"
    assert abs(found["since"] - begun) < 60
    assert "default via" not in node.namespace.ip("-6", "route", "show", "table", "10")
    assert _way(node, "2001:db8:ffff::1", CLIENT) == before
    status = daemon.status()
    assert status["health"]["state"] == "healthy"
    assert status["counts"]["offenders"] == {"default": 1}
    said = start.client("status")
    said.wait()
    assert "a default route without `from` is announced by router " + router_id in said.said(), said.said()
    assert "refused here" in said.said()
    assert any(fact["event"] == "offender" and router_id in fact["because"] for fact in status["recent"])
    stranger.retract("default")
    daemon.until(lambda status: status["offenders"] == [], "its end")


@pytest.mark.parametrize(
    ("place", "kind", "asked", "dev"),
    [
        ((INSIDE, "::/0"), "network", ("2001:db8:7::9", "fd00:6d65::9"), "clients"),
        (("::/0", PART), "exit", ("2001:db8:ffff::1", CLIENT), "wan"),
    ],
)
def test_what_is_inside_ours_does_not_move_its_traffic(
    node: Host,
    stranger: Stranger,
    start: Programs,
    place: tuple[str, str],
    kind: str,
    asked: tuple[str, str],
    dev: str,
) -> None:
    daemon = start.synced(_node_file(node))
    assert f"dev {dev}" in _way(node, *asked)
    destination, source = place
    words = ("default" if destination == "::/0" else destination, None if source == "::/0" else source)
    stranger.announce(*words)
    until(lambda: bool(_by_babel(node)), "that babeld installs it")
    begun = time.monotonic()
    until(lambda: _goes_by(dev, node, *asked), "our own way")
    took = time.monotonic() - begun
    print("seconds from the kernel's route to the refusal", took)
    assert took < NOTICED_SECONDS
    found = _refused(daemon, place)
    assert (found["kind"], found["router_id"]) == (kind, _identity(node, stranger)[0])
    status = daemon.status()
    assert status["health"]["state"] == "healthy", status["health"]
    stranger.retract(*words)
    # Of a destination babeld keeps an unreachable one for some time.
    until(lambda: "via" not in _by_babel(node), "the retraction")
    assert f"dev {dev}" in _way(node, *asked)
    daemon.until(lambda status: status["offenders"] == [], "its end")
    daemon.until_synced()


def test_what_may_not_be_refused_draws_traffic_away_and_the_node_is_degraded(
    node: Host, stranger: Stranger, start: Programs
) -> None:
    daemon = start.synced(_node_file(node))
    assert start.client("suspend", "--reason", "somebody looks at it").wait() == 0
    stranger.announce("default", PART)
    until(lambda: _goes_by("mesh0", node, "2001:db8:ffff::1", CLIENT), "that the traffic moves")
    status = daemon.until(
        lambda status: any("draws our traffic away" in reason for reason in status["health"]["reasons"]), "the harm"
    )
    assert status["health"]["state"] == "degraded"
    assert _offenders(status)["::/0", PART]["refused"] is False
    assert start.client("resume").wait() == 0
    _refused(daemon, ("::/0", PART))
    assert "dev wan" in _way(node, "2001:db8:ffff::1", CLIENT)
    daemon.until(lambda status: status["health"]["state"] == "healthy", "all well")


def test_it_stays_refused_while_babeld_begins_anew(node: Host, stranger: Stranger, start: Programs) -> None:
    daemon = start.synced(_node_file(node))
    stranger.announce(INSIDE)
    _refused(daemon, (INSIDE, "::/0"))
    pid = int((node.folder / "host.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{pid}").exists(), "the end of babeld")
    node.start_babeld("-G", str(node.socket), "-c", str(node.configuration))
    until(lambda: bool(_by_babel(node)), "that babeld installs it")
    assert "dev clients" in _way(node, "2001:db8:7::9", "fd00:6d65::9")
    _refused(daemon, (INSIDE, "::/0"))
