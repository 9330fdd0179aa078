"""An exit that is taken from the file: neighbours hear of it before its route goes.

The node repeats its announcements every half minute only: a neighbour that is not told keeps them for six times that,
longer than the test waits.
"""

import json

from tests.host import Host, until

EXITS = 4
HEAD = """
version: 1
node: exit-1
mesh:
  table: 10
  interfaces: [{name: mesh0, type: wired, update_interval: 30}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
exit:
  allow_special_purpose: true
  prefixes:
"""
EXIT = '    - {prefix: "2001:db8:4%d::/48", via: {interface: wan, gateway: "fe80::1"}}\n'


def _learned(node: Host) -> int:
    routes = json.loads(node.neighbour.ip("-j", "-6", "route", "show", "proto", "babel"))
    return sum(route["dst"] == "default" for route in routes)


def test_neighbours_let_go_of_a_removed_exit_promptly(node: Host) -> None:
    node.start_neighbour()
    assert node.apply(node.node_file(HEAD + "".join(EXIT % number for number in range(EXITS)))).code == 0
    until(lambda: _learned(node) == EXITS, "the exits at the neighbour")
    file = node.node_file(HEAD + EXIT % 0)
    said = node.apply(file, "--allow-deletes")
    assert said.code == 0, said.out + said.err
    until(lambda: _learned(node) == 1, "the removed exits to be gone at the neighbour")
    assert node.plan(file)["in_sync"]
