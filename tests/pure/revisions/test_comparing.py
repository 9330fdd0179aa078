"""Plans from intent to intent: empty for what stays, and the very operations that a real plan has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from intent.document import Node
from intent.expansion import expand
from intent.loading import load, loads
from intent.resources.resource import Key, Resource
from intent.resources.sysctl import Sysctl
from intent.resources.wireguard_port import WireGuardPort
from reconciler.backends.fake import FakeNode
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.plan import Action, Impact, Operation, Plan
from reconciler.core.reconcile import apply, look
from reconciler.services import comparing
from reconciler.services.comparing import planned
from tests.intents import PUBLIC_KEYS, careful_node_files

EXAMPLES = sorted(Path("examples").glob("*.yaml"))
MANY = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])


def generated(text: str) -> Node:
    return loads(text.replace("$folder", "/run/test").encode(), "generated.yaml")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_from_a_document_to_itself_there_is_nothing_to_do(path: Path) -> None:
    node = load(str(path))
    assert planned(node, node).empty
    assert planned(node, load(str(path))).empty


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_new_node_is_made_and_one_that_goes_is_taken_away(path: Path) -> None:
    made, gone = planned(None, load(str(path))), planned(load(str(path)), None)
    assert {operation.impact for operation in made.operations} <= {Impact.ADDITION}
    assert {operation.impact for operation in gone.operations} <= {Impact.REMOVAL}
    assert not made.conflicts
    assert not gone.conflicts


@MANY
@given(careful_node_files())
def test_from_any_document_to_itself_there_is_nothing_to_do(text: str) -> None:
    assert planned(generated(text), generated(text)).empty


def in_memory() -> FakeNode:
    node = FakeNode(babeld_version="babeld-1.12.1")
    for name in ("mesh0", "wan"):
        node.kernel.add_link(name, "veth", up=True)
    return node


def expanded(node: Node) -> tuple[Resource, ...]:
    return tuple(expand(node, comparing._assumed(node, ())))


@MANY
@given(careful_node_files(), careful_node_files())
def test_it_has_the_operations_of_a_real_plan(first: str, second: str) -> None:
    before, after = generated(first), generated(second)
    node, store = in_memory(), InventoryInMemory()
    desired = expanded(before)
    apply(look(desired, [node], store), desired, [node], store)
    real = look(expanded(after), [node], store).plan
    assert told(planned(before, after)) == told(real)


def told(plan: Plan) -> dict[str, Any]:
    return {
        "operations": Counter(done(one) for one in plan.operations if not is_the_end_of_a_random_port(one)),
        "pending": {held.resource.key for held in plan.pending},
        "conflicts": {one.key for one in plan.conflicts},
    }


def done(operation: Operation) -> tuple[str, Key, str]:
    """Return what is done; no document tells what value a parameter, or what random port, was there before."""
    if isinstance(operation.desired, Sysctl | WireGuardPort):
        return ("set", operation.key, "")
    return (str(operation.action), operation.key, str(operation.impact))


def is_the_end_of_a_random_port(operation: Operation) -> bool:
    """Return whether a port is let go for another: WireGuard has one of its own choice where none was asked for."""
    is_replaced = operation.impact is Impact.REPLACEMENT and operation.action is Action.DELETE
    return is_replaced and isinstance(operation.resource, WireGuardPort)


WIREGUARD = f"""\
version: 1
node: one
wireguard:
  - name: wg-mesh
    private_key: {{file: /etc/keys/wg}}
    listen_port: 51820
    peers:
      - {{public_key: "{PUBLIC_KEYS[0]}", endpoint: "gw.example.org:51820", allowed_ips: ["::/0"]}}
"""


def test_a_peer_that_is_reached_by_another_name_is_seen_to_change() -> None:
    after = WIREGUARD.replace("gw.example.org", "new.example.org")
    (operation,) = planned(loads(WIREGUARD, "a.yaml"), loads(after, "b.yaml")).operations
    assert (operation.action, operation.impact) == ("update", Impact.IN_PLACE)
    assert operation.reason == "endpoint gw.example.org:51820 → new.example.org:51820"


def test_a_new_key_interrupts_and_is_shown_by_its_public_half() -> None:
    node = loads(WIREGUARD, "a.yaml")
    (operation,) = planned(node, node, [("wg-mesh", PUBLIC_KEYS[1])], [("wg-mesh", PUBLIC_KEYS[2])]).operations
    assert operation.impact is Impact.DISRUPTIVE
    assert PUBLIC_KEYS[1] in operation.reason
    assert PUBLIC_KEYS[2] in operation.reason


def test_a_prefix_that_will_be_delegated_is_planned_with() -> None:
    text = Path("examples/exit-delegated.yaml").read_text()
    lines = [one.resource.describe() for one in planned(None, loads(text, "a.yaml")).operations]
    assert any("default from 3fff:" in line for line in lines)


def test_what_cannot_change_in_place_is_a_replacement() -> None:
    text = Path("examples/exit-gre.yaml").read_text()
    other = text.replace('remote: "', 'remote: "2001:db8:cafe::1" # "', 1)
    assert other != text
    plan = planned(loads(text, "a.yaml"), loads(other, "b.yaml"))
    links = [one for one in plan.operations if one.key.space == "link"]
    assert [(str(one.action), one.impact) for one in links] == [
        ("delete", Impact.REPLACEMENT),
        ("create", Impact.REPLACEMENT),
    ]
