"""WireGuard interfaces with many peers, the kernel's where it has them, else userspace ones."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from reconciler.backends.netlink_socket import NetlinkSocket
from reconciler.backends.wireguard import WireGuard
from tests.bench.case import PEERS, Case
from tests.bench.findings import Finding, Measured
from tests.bench.inputs import PORT, WIREGUARD, wireguard_configuration, wireguard_node_file
from tests.bench.kept_node import KeptNode, apply_once, kept_node
from tests.bench.place import Place, interfaces, run, until
from tests.bench.timing import Cost, compared, in_turns, of_call, of_command
from tests.conftest import links_the_kernel_lacks

NOOP = "no-op round, WireGuard"
FIRST = "first apply, WireGuard"
CHANGE = "one peer changed"
OTHER = "wg-other"
RUNS = 7
APPLIES = {"userspace": 3, "kernel": 1}


def implementation() -> str:
    """Return whose WireGuard there is, in the words of the node file."""
    return "userspace" if "wireguard" in links_the_kernel_lacks() else "kernel"


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield rounds beside ``wg show``, first applies beside ``wg syncconf``, and what one changed peer leads to."""
    whose = implementation()
    configuration = place.write("wg.conf", wireguard_configuration(size, run("wg", "genkey").strip(), PORT + 1))
    text = wireguard_node_file(size, place.folder, whose)
    applied, synced = [], []
    for number in range(APPLIES[whose]):
        synced.append(_sync(configuration, whose))
        _gone(OTHER)
        state = place.fresh_state(f"apply-{number}")
        applied.append(apply_once(text.encode(), state)["all"])
        if number + 1 < APPLIES[whose]:
            _gone(WIREGUARD)
    yield from compared(FIRST, size, applied, synced, "wg syncconf")
    with kept_node(state) as node:
        node.give(text)
        yield from _rounds(node, size)
        yield from _change(node, size, wireguard_node_file(size, place.folder, whose, without=[size // 2]))
    _gone(WIREGUARD)


def _rounds(node: KeptNode, size: int) -> Iterator[Finding]:
    for _ in range(2):
        node.full_round()
    rounds, shows = in_turns(
        RUNS, lambda: of_call(node.full_round), lambda: of_command(("wg", "show", WIREGUARD, "dump"))
    )
    node.check()
    yield from compared(NOOP, size, rounds, shows, "wg show dump")


def _change(node: KeptNode, size: int, text: str) -> Iterator[Finding]:
    """Yield the requests that WireGuard is sent, and the messages that all of netlink is."""
    requests: list[Any] = []
    messages: list[Any] = []
    send, transmit = WireGuard.send, NetlinkSocket.send

    def counted_requests(self: WireGuard, many: Any) -> Any:
        requests.extend(many := list(many))
        return send(self, many)

    def counted_messages(self: NetlinkSocket, many: Any) -> Any:
        # They may be made as they are sent.
        messages.extend(many := list(many))
        return transmit(self, many)

    with patch.object(WireGuard, "send", counted_requests), patch.object(NetlinkSocket, "send", counted_messages):
        cost = of_call(lambda: node.give(text))
    assert len(requests) >= 1
    yield Finding(CHANGE, size, "requests to WireGuard", "messages", Measured((len(requests),)))
    yield Finding(CHANGE, size, "changes over netlink", "messages", Measured((len(messages),)))
    yield Finding(CHANGE, size, "wall", "s", Measured((cost.wall,)))


def _sync(configuration: Path, whose: str) -> Cost:
    """Make an interface and give it all peers by ``wg``; return what the programs cost for that."""
    begun = time.perf_counter()
    if whose == "kernel":
        made = of_command(("ip", "link", "add", OTHER, "type", "wireguard"))
    else:
        made = of_command(("wireguard-go", OTHER))
        until(lambda: Path(f"/run/wireguard/{OTHER}.sock").exists(), "wireguard-go's socket")
    synced = of_command(("wg", "syncconf", OTHER, str(configuration)))
    return Cost(time.perf_counter() - begun, made.cpu + synced.cpu)


def _gone(name: str) -> None:
    """Delete a link, and wait until the program that is behind it has ended."""
    with contextlib.suppress(Exception):
        run("ip", "link", "delete", name)
    until(lambda: name not in interfaces() and not Path(f"/run/wireguard/{name}.sock").exists(), f"the end of {name}")


CASE = Case(
    "wireguard",
    measure,
    {
        NOOP: "the daemon's loop looks at everything, the interface with its peers among it, and finds nothing to do;"
        " the peer prints the interface",
        FIRST: "from the parsed node file to a verified interface; the peer makes an interface and gives it the"
        " same peers. A userspace WireGuard's own seconds count on neither side",
        CHANGE: "a peer in the middle has one prefix less: requests that WireGuard is given, messages over netlink for"
        " that, of links and the like too, and the time from the text of the file",
    },
    sizes=PEERS,
    limit_seconds=300.0,
    # Python is slow in the emulated machine: the smallest and the largest tell the growth.
    full_kernel_sizes=(PEERS[0], PEERS[-1]),
)
