"""The JSON form of a plan: its values are values, it tells any two plans apart, and it holds no secret."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intent.loading import load
from intent.resources.file import File, marked
from intent.resources.gre_link import GreLink
from intent.resources.resource import Resource
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_names import endpoint, key_text
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_port import WireGuardPort
from intent.secrets import PresharedKey, PrivateKey, Secret
from reconciler.core.errors import BusyError, RefusedError, UnsupportedError
from reconciler.core.plan import Action, Conflict, Impact, Operation, Pending, Plan
from reconciler.core.plan_document import MovedOnError, check_still_fits, steps, to_json
from reconciler.core.reconcile import look
from reconciler.services.interpretation import NodeInterpreter
from reconciler.services.interpretation import document as document_of
from tests.pure.docs.conftest import CommandLine
from tests.pure.docs.markdown import ROOT

GOLDEN = Path(__file__).with_name("plan.json")
PREFIXES = tuple(f"fd00:{number:x}::/64" for number in range(1, 8))
GRE = GreLink(name="gre-provider", mode="gre", local="192.0.2.1", remote="192.0.2.2")
DEVICE = WireGuardDevice(link="wg-mesh", private_key=PrivateKey(b"k" * 32), fwmark=0)
PEER = WireGuardPeer(
    link="wg-mesh",
    public_key=key_text(b"p" * 32),
    preshared_key=PresharedKey(b"s" * 32),
    endpoint=endpoint("2001:db8::1", 51820),
    endpoint_name="gw.example.org:51820",
    allowed_ips=PREFIXES,
    persistent_keepalive=25,
    handshake_age=900.0,
)
FILE = File("/etc/babeld.conf", marked("redistribute\n"))


def update(have: Resource, want: Resource) -> Operation:
    return Operation(Action.UPDATE, want.key, want, have, "it differs", Impact.IN_PLACE, want.changes(have))


def create(want: Resource) -> Operation:
    return Operation(Action.CREATE, want.key, want, None, "not there", Impact.ADDITION)


def document(*operations: Operation) -> dict[str, Any]:
    return to_json(Plan(operations))


def fits(saved: Plan, now: Plan) -> None:
    check_still_fits(steps(json.loads(json.dumps(to_json(saved)))), now)


PLAN = Plan(
    operations=(
        create(GRE),
        update(replace(DEVICE, private_key=PrivateKey(b"o" * 32), fwmark=7), DEVICE),
        update(replace(PEER, preshared_key=None, endpoint=None, allowed_ips=(), persistent_keepalive=0), PEER),
        update(replace(FILE, content=Secret(b"# somebody's\n"), mode=0o600), FILE),
        Operation(
            Action.DELETE, DEVICE.key, None, DEVICE, "not wanted", Impact.REMOVAL, takes=(PEER.key,), after=(0, 2)
        ),
    ),
    pending=(Pending(WireGuardPort(link="wg-mesh", port=51820), "somebody has to look"),),
    conflicts=(Conflict(GRE.key, "not ours", over=GRE.key),),
    unseen={"babel": BusyError("not now")},
)


def test_the_form_is_this() -> None:
    """Whatever changes here changes for scripts: it takes another version."""
    form = json.dumps(to_json(PLAN, [UnsupportedError("no module")]), indent=2) + "\n"
    # A kind that gains a field has other digests: they are compared, not read.
    assert re.sub('(?<="digest": ")[0-9a-f]{64}', "(digest)", form) == GOLDEN.read_text()


def test_values_are_values() -> None:
    changes = to_json(PLAN)["operations"][2]["changes"]
    assert changes["allowed_ips"] == {"before": [], "after": list(PREFIXES)}
    assert changes["persistent_keepalive"] == {"before": 0, "after": 25}
    assert changes["endpoint"] == {"before": None, "after": {"address": "2001:db8::1", "port": 51820}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (create(PEER), create(replace(PEER, allowed_ips=(*PREFIXES[:-1], "fd00:9::/64")))),
        (create(PEER), create(replace(PEER, persistent_keepalive=None))),
        (create(PEER), create(replace(PEER, preshared_key=None))),
        (create(DEVICE), create(replace(DEVICE, private_key=PrivateKey(os.urandom(32))))),
        (create(GRE), create(replace(GRE, mtu=1400))),
        (update(replace(PEER, allowed_ips=()), PEER), update(replace(PEER, allowed_ips=PREFIXES[:1]), PEER)),
        (update(replace(FILE, mode=0o600), FILE), update(replace(FILE, mode=0o640), FILE)),
    ],
)
def test_a_saved_plan_fits_no_other(one: Operation, other: Operation) -> None:
    assert one.resource.describe()
    with pytest.raises(MovedOnError, match="moved on"):
        fits(Plan((one,)), Plan((other,)))


def test_a_saved_plan_fits_itself_whatever_only_time_changes() -> None:
    later = update(replace(PEER, allowed_ips=(), handshake_age=901.0), replace(PEER, handshake_age=1.0))
    fits(Plan((update(replace(PEER, allowed_ips=()), PEER),)), Plan((later,)))


def test_what_differs_is_told() -> None:
    with pytest.raises(MovedOnError, match=r"no longer needed: create .*51820.*; needed now: create link gre"):
        fits(Plan((create(PEER),)), Plan((create(GRE),)))
    with pytest.raises(MovedOnError, match="with other values: create link gre-provider"):
        fits(Plan((create(GRE),)), Plan((create(replace(GRE, ttl=9)),)))
    with pytest.raises(MovedOnError, match="another order"):
        fits(Plan((create(GRE), create(FILE))), Plan((create(FILE), create(GRE))))


@pytest.mark.parametrize(
    "of",
    [
        lambda key: replace(PEER, preshared_key=PresharedKey(key)),
        lambda key: replace(FILE, content=Secret(key)),
    ],
    ids=["a preshared key", "a secret file"],
)
def test_nothing_in_it_depends_on_a_secret(of: Callable[[bytes], Resource]) -> None:
    """A digest of a secret would be a way to try out guesses."""
    forms = {json.dumps(document(create(of(os.urandom(32))))) for _ in range(3)}
    assert len(forms) == 1


def test_no_secret_is_in_it() -> None:
    text = json.dumps(to_json(PLAN))
    for secret in (b"k" * 32, b"o" * 32, DEVICE.private_key.reveal(), b"s" * 32):
        for spelled in (key_text(secret), secret.hex(), repr(secret)[2:-1]):
            assert spelled not in text
    assert key_text(DEVICE.private_key.public) in text


def test_all_of_a_real_node_has_a_form(command_line: CommandLine) -> None:
    node = load(str(ROOT / "examples" / "exit-gre.yaml"))
    with command_line.this_node(Path()) as here:
        wanted = NodeInterpreter(here.resolvers).interpret(document_of(node))
        plan = look(wanted.desired, here.backends, here.state).plan
    assert plan.operations
    fits(plan, plan)


@pytest.mark.parametrize("damaged", [None, [], {}, {"operations": 5}, {"operations": [{}]}])
def test_a_document_of_something_else_is_refused(damaged: Any) -> None:
    with pytest.raises(RefusedError, match="damaged"):
        steps(damaged)
