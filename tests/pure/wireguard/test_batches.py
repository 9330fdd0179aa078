"""Which requests go out together."""

from __future__ import annotations

from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_requests import SetDevice, SetPeer
from reconciler.backends.wireguard import in_runs

A, B = (key_text(bytes([n]) * 32) for n in range(2))


def test_neighbouring_peers_of_one_link_go_out_together() -> None:
    requests = [SetPeer("wg0", A), SetPeer("wg0", B), SetPeer("wg1", A), SetPeer("wg0", A)]
    assert list(in_runs(requests)) == [requests[:2], requests[2:3], requests[3:]]


def test_a_device_goes_out_alone() -> None:
    requests = [SetPeer("wg0", A), SetDevice("wg0"), SetDevice("wg0"), SetPeer("wg0", B)]
    assert [len(run) for run in in_runs(requests)] == [1, 1, 1, 1]


def test_a_peer_that_is_removed_and_added_again_is_not_in_one_run() -> None:
    # Where a run fails its requests are tried again one by one: the removal must not come after the addition.
    requests = [SetPeer("wg0", A, remove=True), SetPeer("wg0", B), SetPeer("wg0", A)]
    assert list(in_runs(requests)) == [requests[:2], requests[2:]]


def test_nothing_is_no_run() -> None:
    assert list(in_runs([])) == []
