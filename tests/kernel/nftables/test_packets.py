"""What the firewall does to packets, in namespaces of a real kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from intent.resources.nftables_table import NftTable
from reconciler.backends.nftables import Nftables
from tests.kernel.nftables.place import (
    CLIENT,
    OUT_THERE,
    STRANGER,
    World,
    capture,
    connected,
    listening,
    table,
    told_segment_size,
    told_unreachable,
    world,
)

SOURCE_FAILED_POLICY = 5
"""Source address failed ingress/egress policy (RFC 4443, section 3.1)."""
EXIT = """
exit:
  allow_special_purpose: true
  prefixes:
    - {prefix: "2001:db8:42::/56", via: {interface: wan, gateway: "fe80::1"}}
    - {prefix: "fd00:1::/48", via: {interface: wan, gateway: "fe80::1"}}
"""
UPLINK_ONLY = "firewall: {}\n"
TRANSLATED = EXIT + 'firewall: {translate: [{from: "fd00:1::/48", to: "2001:db8:5::/48", out: wan}]}\n'
MASQUERADED = EXIT + 'firewall: {masquerade: [{from: "fd00:1::/48", out: wan}]}\n'
NO_ANTI_SPOOFING = EXIT + "firewall: {anti_spoofing: false}\n"


@pytest.fixture
def place() -> Iterator[World]:
    with world() as made:
        yield made


def test_a_client_of_the_exit_passes_and_a_forged_source_is_refused_and_counted(place: World) -> None:
    place.wall(EXIT + "firewall: {}\n")
    assert "1 received" in place.ping(place.client, CLIENT, OUT_THERE)
    assert place.count("spoofed_out") == 0
    assert refused(place, STRANGER) == SOURCE_FAILED_POLICY
    assert place.count("spoofed_out") == 1


def refused(place: World, source: str) -> int:
    """Return the code by which a packet of the client's is refused."""
    with capture(place.client, "eth0") as frames:
        assert "0 received" in place.ping(place.client, source, OUT_THERE)
        return told_unreachable(frames)


def test_ipv4_from_the_mesh_is_refused_too(place: World) -> None:
    place.wall(EXIT + "firewall: {}\n")
    assert "Packet filtered" in place.ping(place.client, "192.0.2.10", "192.0.2.130")
    assert place.count("spoofed_out") == 1
    place.wall(NO_ANTI_SPOOFING)
    assert "1 received" in place.ping(place.client, "192.0.2.10", "192.0.2.130")


def test_by_an_uplink_that_no_exit_uses_nothing_leaves_the_mesh(place: World) -> None:
    place.wall(UPLINK_ONLY)
    assert refused(place, CLIENT) == SOURCE_FAILED_POLICY
    assert "1 received" in place.ping(place.node, "2001:db8:1::2", OUT_THERE)


def test_without_anti_spoofing_all_pass(place: World) -> None:
    place.wall(NO_ANTI_SPOOFING)
    assert "1 received" in place.ping(place.client, STRANGER, OUT_THERE)


@pytest.mark.parametrize("source", ["2001:db8:42::99", "fd00:6d65:7368::99", "fd00:1::99"])
@pytest.mark.parametrize("destination", [CLIENT, "2001:db8:1::2"])
def test_who_claims_outside_to_be_inside_is_dropped_and_counted(place: World, source: str, destination: str) -> None:
    place.wall(EXIT + "firewall: {}\n")
    place.outside.ip("address", "add", f"{source}/128", "dev", "lo", "nodad")
    assert "1 received" in place.ping(place.outside, OUT_THERE, destination)
    assert "0 received" in place.ping(place.outside, source, destination)
    assert place.count("spoofed_in") == 1


def test_a_masqueraded_client_is_answered(place: World) -> None:
    """The host outside has no way to the client's own address."""
    place.wall(EXIT + "firewall: {}\n")
    assert "0 received" in place.ping(place.client, "fd00:1::10", OUT_THERE)
    place.wall(MASQUERADED)
    assert "1 received" in place.ping(place.client, "fd00:1::10", OUT_THERE)
    assert "1 received" in place.ping(place.client, CLIENT, OUT_THERE)
    with (
        listening(place.outside, OUT_THERE) as waiting,
        connected(place.client, "fd00:1::10", OUT_THERE, waiting) as (_, far),
    ):
        assert far.getpeername()[0] == "2001:db8:1::2"


def test_a_translated_client_is_seen_under_its_other_address_and_reached_by_it(place: World) -> None:
    place.wall(TRANSLATED)
    with (
        listening(place.outside, OUT_THERE) as waiting,
        connected(place.client, "fd00:1::10", OUT_THERE, waiting) as (_, far),
    ):
        assert far.getpeername()[0] == "2001:db8:5::10"
    with (
        listening(place.client, "fd00:1::10") as waiting,
        connected(place.outside, OUT_THERE, "2001:db8:5::10", waiting) as (_, far),
    ):
        assert far.getpeername()[0] == OUT_THERE
    assert place.count("spoofed_out") == 0


def test_a_connection_lives_through_a_change_and_counts_are_kept(place: World) -> None:
    before = place.wall(MASQUERADED)
    place.ping(place.client, STRANGER, OUT_THERE)
    with (
        listening(place.outside, OUT_THERE) as waiting,
        connected(place.client, "fd00:1::10", OUT_THERE, waiting) as (near, far),
    ):
        after = table(MASQUERADED.replace("out: wan}", 'out: wan}, {from: "fd00:2::/48", out: wan}'))
        assert change(place, before, after) == [None]
        near.sendall(b"still there?")
        assert far.recv(100) == b"still there?"
    assert place.count("spoofed_out") == 1


def change(place: World, before: NftTable, after: NftTable) -> list[object]:
    changes = after.changes(before)
    assert changes
    return list(place.node.run(lambda: Nftables().send(after.update(before, changes))))


@pytest.mark.parametrize(("clamped", "size"), [("true", 1240), ("false", 1440)])
def test_tcp_is_told_a_segment_size_that_fits_the_tunnel_in_both_directions(
    place: World, clamped: str, size: int
) -> None:
    # A link that stands for a tunnel: of its two ends only this node's knows what fits.
    place.node.cable("tunnel0", place.outside, "far")
    place.node.ip("link", "set", "tunnel0", "mtu", "1300")
    place.node.ip("address", "add", "2001:db8:2::2/64", "dev", "tunnel0", "nodad")
    place.outside.ip("address", "add", "2001:db8:2::1/64", "dev", "far", "nodad")
    place.outside.ip("-6", "route", "replace", "2001:db8:42::/48", "via", "2001:db8:2::2", "dev", "far")
    place.outside.run(lambda: Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1"))
    gre = 'gre: [{name: tunnel0, mode: ip6gre, local: "2001:db8:1::2", remote: "2001:db8:1::1"}]\n'
    way_out = EXIT.replace("interface: wan", "interface: tunnel0")
    place.wall(f"{gre}{way_out}firewall: {{clamp_mss: {clamped}}}\n")
    with (
        capture(place.outside, "far") as outward,
        capture(place.client, "eth0") as inward,
        listening(place.outside, "2001:db8:2::1") as waiting,
        connected(place.client, CLIENT, "2001:db8:2::1", waiting),
    ):
        assert told_segment_size(outward) == size
        # Its own, in the frame that leaves, was not captured at the far end.
        assert sorted((told_segment_size(inward), told_segment_size(inward))) == sorted((1440, size))
