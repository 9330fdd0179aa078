"""The loop with real node files on a whole node in memory: trials, crashes, secrets."""

from __future__ import annotations

import base64
import contextlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.backends.fake import FakeNode
from reconciler.core.errors import BusyError
from tests.intents import node_files
from tests.pure.intent.conftest import private_key
from tests.pure.loop.rig import DeathError, RealStage, real_stage

REAL_KINDS = True

A = """
version: 1
node: berlin-7
addresses:
  - {interface: mesh0, addresses: ["fd00:6d65::7/64"]}
gre:
  - {name: gre-1, mode: ip6gre, local: "2001:db8:1::2", remote: "2001:db8:1::9", addresses: ["fd00:aa::2/64"]}
wireguard:
  - name: wg-mesh
    private_key: {file: /keys/wg-mesh, generate: true}
    listen_port: 51820
    peers: [{public_key: BdDiIJ45rtga5ESy6RwrFte8+b+vBgLLZ6JudY+RSR8=, allowed_ips: ["fd00:1::/48"]}]
"""
B = """
version: 1
node: berlin-7
confirm: 60s
addresses:
  - {interface: mesh0, addresses: ["fd00:6d65::8/64"]}
gre:
  - {name: gre-1, mode: ip6gretap, local: "2001:db8:1::2", remote: "2001:db8:1::9", addresses: ["fd00:aa::2/64"]}
  - {name: gre-2, mode: ip6gre, local: "2001:db8:1::2", remote: "2001:db8:1::a", addresses: ["fd00:ab::2/64"]}
wireguard:
  - name: wg-mesh
    private_key: {file: /keys/wg-mesh, generate: true}
    listen_port: 51821
    peers: [{public_key: fN+YRkX2FRDh/Zzg/c213GjhFQKB2BarxO1/GlHNRC4=, allowed_ips: ["fd00:1::/48"]}]
"""
PASSING = ("fe80::ff:", "file /keys/", "/forwarding")
"""Link-local addresses tell the order in which links were made, forwarding too, and keys are never removed.

The alias of a link says to people what the group says to us; of a link that was made in the last moment it is missing.
"""

CHOSEN_PORT = re.compile(r" port 327\d\d\b")
"""The port that the fake's kernel chooses where none is asked for, another one each time."""


def lasting(node: RealStage) -> list[str]:
    lines = (CHOSEN_PORT.sub("", line.split(" alias ")[0]) for line in node.backend.describe())
    return [line for line in lines if not any(one in line for one in PASSING)]


def enforced(text: str) -> list[str]:
    node = real_stage()
    node.file(text)
    node.run(5)
    if node.loop.custody.intents.trial is not None:
        node.loop.confirm()
    node.run(100)
    assert node.status["sync"]["state"] == "synced"
    return lasting(node)


def try_b(node: RealStage, confirm: bool) -> None:
    node.file(B)
    node.run(5)
    if confirm:
        node.loop.confirm()
    node.run(100)


@pytest.mark.parametrize("confirm", [False, True], ids=["expires", "is confirmed"])
def test_killed_at_every_step_a_node_ends_at_one_file_or_the_other(confirm: bool) -> None:
    whole = real_stage()
    whole.file(A)
    whole.run(5)
    start = whole.fate.steps
    try_b(whole, confirm)
    a, b = enforced(A), enforced(B)
    assert lasting(whole) == (b if confirm else a)
    for step in range(start + 1, whole.fate.steps + 1):
        node = real_stage()
        node.file(A)
        node.run(5)
        node.fate.dies_at = step
        with pytest.raises(DeathError):
            try_b(node, confirm)
        node.fate.dies_at = None
        node.restart()
        adopted = node.disk.intents.adopted
        expected = b if node.disk.intents.trial is None and adopted is not None and adopted.text == B else a
        node.run(200)
        assert lasting(node) == expected, step


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(node_files(), node_files(), st.integers(1, 60))
def test_no_key_shows_in_status_history_or_reasons(first: str, second: str, fails: int) -> None:
    node = real_stage()
    paths = ("/run/test/keys/wg0", "/run/test/keys/wg1", "/run/test/keys/links")
    secrets = [private_key(path).reveal() for path in paths]
    shown: list[str] = []
    node.backend.babelds.start("/run/test/babeld.sock")
    for text in (first, second):
        node.file(text.replace("$folder", "/run/test"))
        node.backend.fail(fails, BusyError("not now"))
        for _ in range(3):
            node.run(1)
            shown.append(json.dumps(node.status))
    shown.append(json.dumps(node.history.entries))
    told = "\n".join(shown)
    for secret in secrets:
        assert base64.b64encode(secret).decode() not in told
        assert secret.hex() not in told
        assert repr(secret)[2:-1] not in told


def test_a_node_rolls_back_from_a_file_that_failed_half_way() -> None:
    node = real_stage()
    node.file(A)
    node.run(5)
    for nth in range(1, 12):
        node.backend.fail(nth, BusyError("not now"))
    with contextlib.suppress(AssertionError):
        node.file(B)
    node.run(200)
    assert lasting(node) == enforced(A)


KERNEL_TABLES = frozenset({"link", "address", "route", "rule"})


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(node_files(), st.lists(st.integers(0, 40), min_size=1, max_size=3))
def test_what_somebody_deletes_is_made_again_by_looking_where_the_news_say(text: str, picks: list[int]) -> None:
    node = real_stage()
    node.backend.babelds.start("/run/test/babeld.sock")
    node.file(text.replace("$folder", "/run/test"))
    node.run(5)
    if node.loop.custody.intents.trial is not None:
        node.loop.confirm()
        node.run(1)
    assert node.loop.seen is not None
    before, seen = lasting(node), node.loop.seen.observation
    ours = [one for key, one in sorted(seen.resources.items(), key=str) if key in seen.owned]
    for pick in picks:
        gone = [one for one in ours if one.table in KERNEL_TABLES]
        if gone:
            victim = gone[pick % len(gone)]
            FakeNode.send(node.backend, victim.delete())
            node.hear(victim.table)
    node.run(5)
    assert lasting(node) == before
    node.journal.clear()
    node.loop.reconcile()
    node.run(5)
    assert [entry for entry in node.journal if entry.startswith("request")] == []


def test_what_needs_no_record_is_done_though_the_disk_is_full(node: RealStage) -> None:
    node.file(
        "version: 1\nnode: a\naddresses: [{interface: mesh0, addresses: ['fd00:1::1/64']}]\n"
        "gre: [{name: gre-1, mode: ip6gre, local: '2001:db8:1::2', remote: '2001:db8:1::9'}]\n"
    )
    node.backend.kernel.addresses.keeps_protocol = False
    node.disk.full.add("inventory")
    node.run(5)
    assert any("gre-1" in line for line in node.backend.describe())
    assert not any("fd00:1::1" in line for line in node.backend.describe())
    assert any("no space left" in reason for reason in node.status["health"]["reasons"])
    node.disk.full.clear()
    node.run(400)
    assert node.status["sync"]["state"] == "synced"


def test_half_of_a_replacement_is_not_done_again_and_again() -> None:
    """The port that the kernel chose is let go, and what is to take the wished one waits for a key file."""
    node = real_stage()
    wireguard = [
        {
            "name": f"wg-gen{number}",
            "private_key": {"file": f"/run/test/keys/wg{number}", "generate": True},
            "mtu": 1280,
            "listen_port": 51820 + number,
        }
        for number in range(2)
    ]
    node.file(json.dumps({"version": 1, "node": "n", "wireguard": wireguard}))
    node.backend.fail(2, BusyError("not now"))
    node.backend.fail(3, BusyError("not now"))
    node.run(60)
    assert node.status["sync"]["state"] == "synced"
