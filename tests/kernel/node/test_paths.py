"""Which way packets take on a node that has more than the mesh: a LAN inside the prefix of the mesh or of an exit."""

import json
import subprocess

from tests.host import Host, until

EXIT = """
version: 1
node: exit-1
mesh:
  table: 10
  prefixes: ["fd00:6d65::/48"]
  interfaces: [{name: mesh0, type: wired, update_interval: 4}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
exit:
  allow_special_purpose: true
  prefixes: [{prefix: "2001:db8:42::/56", via: {interface: wan, gateway: "fe80::1"}}]
"""


def _way(node: Host, *words: str) -> str:
    """Return the link that a packet would take, or the kernel's word where it would go nowhere."""
    try:
        (route,) = json.loads(node.namespace.ip("-j", "-6", "route", "get", *words))
    except subprocess.CalledProcessError as exc:
        return str(exc.__notes__)
    return str(route.get("type", "") or route["dev"])


def _ends(way: str) -> bool:
    """Return whether a packet goes nowhere, in whichever words the kernel says it."""
    return "unreachable" in way.lower() or "No route to host" in way


def test_a_lan_inside_the_exits_prefix_stays_reachable(node: Host) -> None:
    node.namespace.ip("link", "add", "lan", "type", "bridge")
    node.namespace.ip("link", "set", "lan", "up")
    node.namespace.ip("address", "add", "2001:db8:42:1::1/64", "dev", "lan", "nodad")
    assert _way(node, "2001:db8:42:1::77") == "lan"
    assert node.apply(node.node_file(EXIT)).code == 0
    assert _way(node, "2001:db8:42:1::77") == "lan"
    assert _way(node, "2001:db8:42:1::77", "from", "2001:db8:42:1::1") == "lan"
    # The answer to a client behind the mesh that babel knows nothing of goes nowhere, not out again.
    assert _ends(_way(node, "2001:db8:42:2::77"))


def test_a_delegated_prefix_that_is_unreachable_in_main_does_not_cut_off_the_mesh(node: Host) -> None:
    # What DHCPv6 clients leave for a prefix that was delegated to them.
    node.namespace.ip("-6", "route", "add", "unreachable", "2001:db8:42::/56")
    assert node.apply(node.node_file(EXIT)).code == 0
    node.namespace.ip(
        *["-6", "route", "add", "2001:db8:42:9::/64", "via", "fe80::9", "dev", "mesh0", "table", "10", "proto", "42"]
    )
    assert _way(node, "2001:db8:42:9::1") == "mesh0"


def test_a_lan_inside_the_meshs_prefix_is_not_answered_through_the_mesh(node: Host) -> None:
    node.namespace.ip("address", "add", "fd00:6d65:0:5::1/64", "dev", "wan", "nodad")
    assert node.apply(node.node_file(EXIT)).code == 0
    node.namespace.ip(
        *[
            "-6",
            "route",
            "add",
            "default",
            "from",
            "fd00:6d65::/48",
            "via",
            "fe80::9",
            "dev",
            "mesh0",
            "table",
            "10",
            "proto",
            "42",
        ]
    )
    assert _way(node, "fd00:6d65:0:5::2", "from", "fd00:6d65:0:5::1") == "wan"
    assert _way(node, "2001:db8:9::1", "from", "fd00:6d65:0:5::1") == "mesh0"


def test_another_exit_for_the_same_prefix_is_no_conflict(node: Host) -> None:
    learned = "-6 route add default from 2001:db8:42::/56 via fe80::9 dev mesh0 table 10 proto 42 metric 1024"
    node.namespace.ip(*learned.split())
    file = node.node_file(EXIT)
    assert node.apply(file).code == 0
    assert _way(node, "2001:db8:9::1", "from", "2001:db8:42:2::77", "iif", "mesh0") == "wan"
    node.namespace.ip("-6", "route", "delete", "default", "from", "2001:db8:42::/56", "dev", "wan", "table", "10")
    assert node.apply(file).code == 0
    until(lambda: _way(node, "2001:db8:9::1", "from", "2001:db8:42:2::77", "iif", "mesh0") == "wan", "our own exit")


def test_what_enters_from_the_mesh_never_takes_the_nodes_own_default_route(node: Host) -> None:
    node.namespace.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "wan")
    assert node.apply(node.node_file(EXIT)).code == 0
    assert _way(node, "2001:db8:9::1") == "wan"
    assert _way(node, "2001:db8:9::1", "from", "2001:db8:42:2::77", "iif", "mesh0") == "wan"
    assert _ends(_way(node, "2001:db8:9::1", "from", "2001:db8:66::77", "iif", "mesh0"))
    # A client of the exit that is not there is not sought on the Internet.
    assert _ends(_way(node, "2001:db8:42:3::1", "from", "2001:db8:42:2::77", "iif", "mesh0"))


def test_forwarding_begins_after_the_rules_are_there_and_ends_before_they_go(node: Host) -> None:
    said = node.apply(node.node_file(EXIT)).out.splitlines()
    forwarding = next(number for number, line in enumerate(said) if "all/forwarding" in line)
    assert forwarding > max(number for number, line in enumerate(said) if "iif mesh0" in line)
    said = node.apply(node.node_file("version: 1\nnode: exit-1\n"), "--allow-deletes").out.splitlines()
    forwarding = next(number for number, line in enumerate(said) if "all/forwarding" in line)
    assert forwarding < min(number for number, line in enumerate(said) if "iif mesh0" in line)
