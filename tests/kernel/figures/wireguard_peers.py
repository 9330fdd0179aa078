"""What holds for the figures of every WireGuard, the kernel's and a userspace one: subclassed by the tests of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from intent.resources.resource import Resource
from intent.resources.wireguard_names import Endpoint, key_text, prefixes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.secrets import PresharedKey
from intent.statistics import WrittenEndpoint
from reconciler.backends.wireguard_counters import PeerFigures, WireGuardCounters
from reconciler.backends.written_endpoints import WrittenEndpoints
from tests.kernel.wireguard.bed import Bed, fresh_key, fresh_public, run, until

PSK = PresharedKey(bytes(range(32)))


class Tunnel:
    """Two interfaces of one namespace that reach each other over its loopback; the first one keeps the tunnel alive."""

    def __init__(self, bed: Bed, first_port: int, second_port: int) -> None:
        self.bed = bed
        self.ports = (first_port, second_port)
        self.names = bed.name("a"), bed.name("b")
        keys = fresh_key(), fresh_key()
        publics = [key_text(key.public) for key in keys]
        self.publics = publics[0], publics[1]
        resources: list[Resource] = []
        for suffix, port, key, other, other_port, seconds in (
            ("a", first_port, keys[0], publics[1], second_port, 1),
            ("b", second_port, keys[1], publics[0], first_port, 0),
        ):
            resources += bed.interface(suffix, port=port, key=key)
            resources.append(
                WireGuardPeer(
                    link=bed.name(suffix),
                    public_key=other,
                    preshared_key=PSK,
                    endpoint=Endpoint("::1", other_port),
                    allowed_ips=prefixes(["fd00:9::/64"]),
                    persistent_keepalive=seconds,
                )
            )
        bed.converge(resources)
        for name in self.names:
            run("ip", "link", "set", name, "up")


@contextmanager
def counting(bed: Bed, tunnel: Tunnel, *interfaces: str) -> Iterator[WireGuardCounters]:
    """Yield what counts, with the endpoints of both sides as they are written."""
    written = [
        WrittenEndpoint(interface=tunnel.names[0], public_key=tunnel.publics[1], host="::1", port=tunnel.ports[1]),
        WrittenEndpoint(interface=tunnel.names[1], public_key=tunnel.publics[0], host="::1", port=tunnel.ports[0]),
    ]
    with closing(WireGuardCounters(interfaces or tunnel.names, WrittenEndpoints(written).look)) as counters:
        yield counters


def both(counters: WireGuardCounters) -> tuple[PeerFigures, PeerFigures]:
    first, second = counters.look()
    return first, second


def agree(bed: Bed, peers: tuple[PeerFigures, ...]) -> None:
    """Check that `wg` says the same."""
    for peer in peers:
        _, told = bed.oracle(peer.interface)
        theirs = told[peer.public_key]
        assert theirs.endpoint == (peer.endpoint or "(none)")
        assert (theirs.last_handshake == "0") == (peer.handshake_seconds is None)


class PeersContract:
    def test_a_handshake_and_traffic(self, bed: Bed) -> None:
        tunnel = Tunnel(bed, 51811, 51812)
        with counting(bed, tunnel) as counters:
            until(lambda: all(one.handshake_seconds is not None for one in counters.look()), "a handshake")
            first, second = before = both(counters)
            assert [one.interface for one in before] == list(tunnel.names)
            assert [one.public_key for one in before] == list(tunnel.publics[::-1])
            assert [one.endpoint for one in before] == ["[::1]:51812", "[::1]:51811"]
            assert 0 <= (first.handshake_seconds or 0) < 60
            assert not first.roamed
            assert not second.roamed
            agree(bed, before)
            # A keepalive goes out each second, and is 32 bytes of WireGuard.
            until(lambda: counters.look()[0].tx_bytes >= first.tx_bytes + 32, "traffic")
            until(lambda: counters.look()[1].rx_bytes >= second.rx_bytes + 32, "traffic at the other side")

    def test_a_peer_that_comes_from_elsewhere_has_roamed(self, bed: Bed) -> None:
        tunnel = Tunnel(bed, 51821, 51822)
        with counting(bed, tunnel) as counters:
            until(lambda: all(one.handshake_seconds is not None for one in counters.look()), "a handshake")
            run("wg", "set", tunnel.names[0], "listen-port", "51823")
            until(lambda: counters.look()[1].roamed, "the other side sees it elsewhere")
            first, second = both(counters)
            assert second.endpoint == "[::1]:51823"
            assert not first.roamed
            agree(bed, (first, second))

    def test_a_peer_without_a_handshake(self, bed: Bed) -> None:
        quiet = WireGuardPeer(link=bed.name(), public_key=fresh_public(), allowed_ips=prefixes(["fd00:9::/64"]))
        bed.converge([*bed.interface(), quiet])
        with closing(WireGuardCounters([bed.name(), bed.name("absent"), "lo"])) as counters:
            assert counters.look() == (PeerFigures(bed.name(), quiet.public_key, None, False, None, 0, 0),)
            run("ip", "link", "delete", bed.name())
            until(lambda: not counters.look(), "the interface is gone")
