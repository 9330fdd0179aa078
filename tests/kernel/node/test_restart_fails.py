"""A restart of babeld that fails: what waited for it is not forgotten, and the fence around the mesh stays."""

from pathlib import Path

import pytest

from tests.host import Host

NODE = """
version: 1
node: exit-1
mesh:
  interfaces: [{name: mesh0, type: wired, rxcost: 300}, {name: wan, type: wired}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [RESTART]}
"""
WORKING = "$folder/restart-babeld"


def _file(node: Host, text: str, restart: str = WORKING) -> Path:
    return node.node_file(text.replace("RESTART", restart))


@pytest.mark.parametrize("gone", [", rxcost: 300", ", {name: wan, type: wired}"])
def test_what_waited_for_a_restart_is_tried_again(node: Host, gone: str) -> None:
    assert node.apply(_file(node, NODE)).code == 0
    changed = NODE.replace(gone, "")
    failed = node.apply(_file(node, changed, '"false"'))
    assert failed.code == 1
    again = _file(node, changed)
    assert not node.plan(again)["in_sync"]
    assert node.apply(again).code == 0
    assert ("interface wan " in node.babeld_dump()) == ("wan" in changed)
    assert node.plan(again)["in_sync"]


def test_the_fence_of_an_interface_stays_until_babeld_has_let_it_go(node: Host) -> None:
    assert node.apply(_file(node, NODE)).code == 0
    without = NODE.replace(", {name: wan, type: wired}", "").replace(", restart_command: [RESTART]", "")
    assert node.apply(_file(node, without)).code == 2
    assert node.namespace.ip("-6", "rule").count("iif wan") == 2
    assert node.apply(_file(node, NODE.replace(", {name: wan, type: wired}", ""))).code == 0
    assert node.namespace.ip("-6", "rule").count("iif wan") == 0
