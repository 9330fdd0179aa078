from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import host
from tests.kernel.networks.place import CLIENT, OUT_THERE, Place
from tests.namespaces import namespaces


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A node whose default route leads out of ``wan``, and a client at its ``clients``."""
    with host(tmp_path) as node, namespaces(1) as (client,):
        client.run(lambda: Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0"))
        node.namespace.cable("clients", client, "eth0")
        client.ip("address", "add", f"{CLIENT}/64", "dev", "eth0", "nodad")
        client.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0")
        node.namespace.ip("address", "add", "fe80::1/64", "dev", "clients", "nodad")
        node.namespace.ip("-6", "route", "add", "default", "via", "2001:db8:1::1", "dev", "wan")
        node.neighbour.ip("address", "add", "2001:db8:1::1/64", "dev", "wan", "nodad")
        node.neighbour.ip("address", "add", f"{OUT_THERE}/128", "dev", "lo", "nodad")
        node.neighbour.ip("-6", "route", "add", "fd00:6d65:7368::/48", "via", "2001:db8:1::2", "dev", "wan")
        node.neighbour.program(
            *("nft", "table inet watch { chain arriving { type filter hook prerouting priority raw; policy accept; "),
            'iifname "wan" ip6 saddr { fd00:6d65:7368::/48, 2001:db8:42::/48 } counter; }; }',
        )
        yield Place(node, client)
