"""A node with an uplink of its own, and a client in a network behind it."""

from dataclasses import dataclass

from tests.host import Host
from tests.namespaces import Namespace

CLIENT = "fd00:6d65:7368:7::10"
"""The client's address, in a network behind the node."""
OUT_THERE = "2001:db8:ffff::1"
"""A host on the Internet, at the other end of the node's uplink."""


@dataclass(frozen=True)
class Place:
    """A node that forwards, with an uplink of its own and a client in a network behind it."""

    node: Host
    client: Namespace

    def seen_on_the_uplink(self) -> int:
        """Return how many packets from the mesh's addresses have come out of the node's uplink."""
        chain = self.node.neighbour.program("nft", "list", "chain", "inet", "watch", "arriving")
        return int(chain.partition("counter packets ")[2].split()[0])

    def ping(self, destination: str, *options: str) -> str:
        """Return what one ping of the client's says, whether it is answered or not."""
        words = ("-6", "-n", "-c", "1", "-W", "2", "-I", CLIENT, *options, destination)
        return self.client.program("sh", "-c", 'ping "$@" || true', "ping", *words)
