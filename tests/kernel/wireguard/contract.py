"""What holds for every WireGuard, the kernel's and a userspace one: subclassed by the tests of each."""

from __future__ import annotations

import itertools
import os
import random
import socket
import time

from intent.resources.resource import Resource
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_names import Endpoint, key_text, prefixes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.secrets import PresharedKey
from reconciler.core.backend import Dump
from reconciler.core.errors import DeniedError, OccupiedError, RejectedError, StaleError
from reconciler.core.plan import Action
from tests.kernel.wireguard.bed import Bed, OraclePeer, fresh_key, fresh_public, lines, run, until

PORT = 51820


def as_wg_prints(peer: WireGuardPeer) -> OraclePeer:
    """Return what `wg` prints for our decoded peer, in as far as it is configuration."""
    psk = "(none)" if peer.preshared_key is None else key_text(peer.preshared_key.reveal())
    return OraclePeer(
        public_key=peer.public_key,
        preshared_key=psk,
        endpoint="(none)" if peer.endpoint is None else str(peer.endpoint),
        allowed_ips=",".join(peer.allowed_ips) or "(none)",
        last_handshake="",
        received="",
        sent="",
        keepalive=str(peer.persistent_keepalive or "off"),
    )


def agree(bed: Bed, name: str) -> None:
    """Check that `wg` sees the same peers as we decode."""
    ours = {key: as_wg_prints(peer) for key, peer in bed.peers(name).items()}
    _, theirs = bed.oracle(name)
    for key, peer in theirs.items():
        ips = () if peer.allowed_ips == "(none)" else prefixes(peer.allowed_ips.split(","))
        theirs[key] = peer._replace(last_handshake="", received="", sent="", allowed_ips=",".join(ips) or "(none)")
    assert ours == theirs


def many_peers(name: str, count: int) -> list[WireGuardPeer]:
    """Return peers that together use all there is to configure."""
    return [
        WireGuardPeer(
            link=name,
            public_key=fresh_public(),
            preshared_key=PresharedKey(os.urandom(32)) if n % 3 == 0 else None,
            endpoint=Endpoint(f"2001:db8::{n + 1:x}", 1000 + n) if n % 2 else Endpoint("192.0.2.7", 1000 + n),
            allowed_ips=prefixes([f"fd00:{n:x}::/64", f"10.{n // 256}.{n % 256}.0/24"][: 1 + n % 2]),
            persistent_keepalive=n % 4 * 10,
        )
        for n in range(count)
    ]


class WireGuardContract:
    def test_the_device_gets_its_key_port_and_mark(self, bed: Bed) -> None:
        key = fresh_key()
        desired = bed.interface(port=PORT, key=key, fwmark=0xCA6C)
        bed.converge(desired)
        device, peers = bed.oracle(bed.name())
        assert device == [key_text(key.reveal()), key_text(key.public), str(PORT), "0xca6c"]
        assert peers == {}

    def test_unmanaged_port_and_mark_are_left_alone(self, bed: Bed) -> None:
        key = fresh_key()
        bed.converge(bed.interface(port=PORT, key=key, fwmark=7))
        bed.wireguard.send([SetDevice(bed.name(), listen_port=PORT + 5)])
        # Only what we chose is let go; the rest is not looked at.
        round_ = bed.converge(bed.interface(key=key))
        assert [o.operation.resource.describe() for o in round_.outcomes] == [
            f"wireguard {bed.name()} listen-port {PORT + 5}"
        ]
        device, _ = bed.oracle(bed.name())
        assert device[3] == "0x7"

    def test_changing_the_key_is_disruptive_and_in_place(self, bed: Bed) -> None:
        peer = many_peers(bed.name(), 1)
        bed.converge([*bed.interface(), *peer])
        key = fresh_key()
        round_ = bed.converge([*bed.interface(key=key), *peer])
        assert [o.operation.action for o in round_.outcomes] == [Action.UPDATE]
        assert key_text(key.public) in lines(bed.plan([*bed.interface(), *peer]))[0]
        assert bed.oracle(bed.name())[0][1] == key_text(key.public)

    def test_every_peer_reads_back_as_it_was_asked_for_and_as_wg_sees_it(self, bed: Bed) -> None:
        peers = many_peers(bed.name(), 12)
        bed.converge([*bed.interface(port=PORT), *peers])
        assert bed.peers(bed.name()) == {peer.public_key: peer for peer in peers}
        agree(bed, bed.name())

    def test_psk_keepalive_and_allowed_ips_are_taken_away_again(self, bed: Bed) -> None:
        full = WireGuardPeer(
            link=bed.name(),
            public_key=fresh_public(),
            preshared_key=PresharedKey(os.urandom(32)),
            allowed_ips=prefixes(["fd00::/8", "10.0.0.0/8"]),
            persistent_keepalive=25,
        )
        interface = bed.interface()
        bed.converge([*interface, full])
        bare = WireGuardPeer(link=full.link, public_key=full.public_key, persistent_keepalive=0)
        bed.converge([*interface, bare])
        assert bed.peers(bed.name()) == {bare.public_key: bare}

    def test_adding_changing_and_removing_a_peer_touches_only_that_peer(self, bed: Bed) -> None:
        name = bed.name()
        interface, other, live = self._two_that_talk(bed)
        rest = many_peers(name, 30)
        bed.converge([*interface, *other, live, *rest])
        until(lambda: bed.peers(name)[live.public_key].handshake_age is not None, "a handshake")
        steady = until(lambda: _unchanged_rows(bed, name), "the counters rest")

        new = WireGuardPeer(link=name, public_key=fresh_public(), allowed_ips=prefixes(["fdff::/16"]))
        bed.converge([*interface, *other, live, *rest, new])
        changed = WireGuardPeer(link=name, public_key=new.public_key, allowed_ips=prefixes(["fdfe::/16"]))
        bed.converge([*interface, *other, live, *rest, changed])
        bed.converge([*interface, *other, live, *rest])
        assert bed.rows(name) == steady
        _, peers = bed.oracle(name)
        assert int(peers[live.public_key].received) > 0

    def test_a_look_that_finds_nothing_new_is_known_although_the_counters_run(self, bed: Bed) -> None:
        name = bed.name()
        interface, other, live = self._two_that_talk(bed, keepalive=1)
        bed.converge([*interface, *other, live, *many_peers(name, 40)])
        until(lambda: bed.peers(name)[live.public_key].handshake_age is not None, "a handshake")
        before, received = bed.look_at(name), self._received(bed, live)
        until(lambda: self._received(bed, live) > received, "it hears more")
        assert bed.look_at(name).digest == before.digest
        run("wg", "set", name, "peer", live.public_key, "persistent-keepalive", "99")
        assert bed.look_at(name).digest != before.digest

    def test_looks_one_after_the_other_see_what_a_fresh_one_sees(self, bed: Bed) -> None:
        name = bed.name()
        peers = many_peers(name, 60)
        bed.converge([*bed.interface(), *peers])
        first, *rest = (peer.public_key for peer in peers)
        before = bed.peers(name)
        for words in (
            (rest[3], "allowed-ips", "fdfe::/16,fdff::/16,10.99.0.0/16"),
            (rest[7], "endpoint", "[2001:db8::99]:9"),
            (rest[9], "remove"),
            (rest[9], "allowed-ips", "fdee::/16"),
            (first, "remove"),
            (rest[20], "endpoint", "198.51.100.1:1"),
        ):
            run("wg", "set", name, "peer", *words)
            seen = bed.peers(name)
            fresh = Bed(bed.make_link, bed.token)
            try:
                assert fresh.peers(name) == seen
            finally:
                fresh.close()
            agree(bed, name)
            # What has not changed is not read again, although what comes after it has moved.
            assert {key for key in before if before[key] is not seen.get(key)} == {words[0]} & before.keys()
            before = seen

    def test_moving_the_port_keeps_sessions(self, bed: Bed) -> None:
        name = bed.name()
        interface, other, live = self._two_that_talk(bed)
        bed.converge([*interface, *other, live])
        until(lambda: bed.peers(name)[live.public_key].handshake_age is not None, "a handshake")
        before = bed.oracle(name)[1][live.public_key].last_handshake
        moved = [*interface[:2], *bed.interface(port=PORT + 50)[2:]]
        round_ = bed.converge([*moved, *other, live])
        assert {o.operation.key.space for o in round_.outcomes} == {"wireguard port"}
        assert bed.oracle(name)[1][live.public_key].last_handshake == before
        assert bed.oracle(name)[0][2] == str(PORT + 50)

    def test_ports_of_two_interfaces_are_swapped_in_one_apply(self, bed: Bed) -> None:
        keys = fresh_key(), fresh_key()
        bed.converge([*bed.interface("a", PORT, keys[0]), *bed.interface("b", PORT + 1, keys[1])])
        bed.converge([*bed.interface("a", PORT + 1, keys[0]), *bed.interface("b", PORT, keys[1])])
        assert bed.oracle(bed.name("a"))[0][2] == str(PORT + 1)
        assert bed.oracle(bed.name("b"))[0][2] == str(PORT)

    def test_an_interface_is_renamed_and_keeps_its_port(self, bed: Bed) -> None:
        bed.converge(bed.interface("a", PORT))
        bed.converge(bed.interface("b", PORT))
        assert bed.oracle(bed.name("b"))[0][2] == str(PORT)

    def test_allowed_ips_swap_between_peers_in_one_apply(self, bed: Bed) -> None:
        interface = bed.interface()
        keys = [fresh_public() for _ in range(3)]
        owned = [["fd01::/16", "10.1.0.0/16"], ["fd02::/16"], ["fd03::/16", "10.3.0.0/16", "::/0"]]
        for order in itertools.permutations(owned):
            peers = [
                WireGuardPeer(link=bed.name(), public_key=key, allowed_ips=prefixes(ips), persistent_keepalive=0)
                for key, ips in zip(keys, order, strict=True)
            ]
            bed.converge([*interface, *peers])
            assert bed.peers(bed.name()) == {peer.public_key: peer for peer in peers}

    def test_allowed_ips_wander_at_random_and_every_apply_converges(self, bed: Bed) -> None:
        chance = random.Random(4242)
        interface = bed.interface()
        keys = [fresh_public() for _ in range(5)]
        pool = [f"fd00:{n}::/32" for n in range(8)] + [f"10.{n}.0.0/16" for n in range(8)]
        for _ in range(12):
            holders: dict[str, list[str]] = {key: [] for key in chance.sample(keys, chance.randint(1, 5))}
            for each in chance.sample(pool, chance.randint(0, len(pool))):
                holders[chance.choice(list(holders))].append(each)
            desired = [
                WireGuardPeer(link=bed.name(), public_key=key, allowed_ips=prefixes(ips), persistent_keepalive=0)
                for key, ips in holders.items()
            ]
            chance.shuffle(desired)
            bed.converge([*interface, *desired])
            assert bed.peers(bed.name()) == {peer.public_key: peer for peer in desired}

    def test_a_roamed_endpoint_stays_until_the_file_changes(self, bed: Bed) -> None:
        name = bed.name()
        interface, other, live = self._two_that_talk(bed, keepalive=1)
        bed.converge([*interface, *other, live])
        until(lambda: bed.peers(name)[live.public_key].handshake_age is not None, "a handshake")
        bed.wireguard.send([SetDevice(bed.name("b"), listen_port=PORT + 9)])
        moved = Endpoint("::1", PORT + 9)
        until(lambda: bed.peers(name)[live.public_key].endpoint == moved, "it roams")
        assert live.roamed(bed.peers(name)[live.public_key])
        assert [line for line in lines(bed.plan([*interface, *other, live])) if name in line] == []
        rewritten = WireGuardPeer(
            link=name,
            public_key=live.public_key,
            allowed_ips=live.allowed_ips,
            endpoint=Endpoint("127.0.0.1", PORT + 1),
            endpoint_name="localhost:51821",
        )
        (line,) = [line for line in lines(bed.plan([*interface, *other, rewritten])) if f"{name} peer" in line]
        # What was asked for and where it is now, and the same for what is wanted.
        assert line.endswith(f"endpoint [::1]:{PORT + 1} ([::1]:{PORT + 9}) → localhost:51821 (127.0.0.1:{PORT + 1})")

    def test_a_thousand_peers_converge_and_a_second_look_finds_nothing(self, bed: Bed) -> None:
        peers = many_peers(bed.name(), 1000)
        desired = [*bed.interface(port=PORT), *peers]
        started = time.monotonic()
        bed.converge(desired)
        applied = time.monotonic()
        assert lines(bed.plan(desired)) == []
        print(f"1,000 peers: applied and verified in {applied - started:.2f} s")
        print(f"1,000 peers: looked at again in {time.monotonic() - applied:.2f} s")
        agree(bed, bed.name())

    def test_a_peer_with_thousands_of_allowed_ips_is_read_and_written_whole(self, bed: Bed) -> None:
        ips = prefixes(f"fd00:{n:x}::/48" for n in range(3000))
        peer = WireGuardPeer(link=bed.name(), public_key=fresh_public(), allowed_ips=ips)
        neighbours = many_peers(bed.name(), 3)
        interface = bed.interface()
        bed.converge([*interface, peer, *neighbours])
        fewer = WireGuardPeer(link=bed.name(), public_key=peer.public_key, allowed_ips=ips[:2000])
        bed.converge([*interface, fewer, *neighbours])
        assert bed.peers(bed.name())[peer.public_key].allowed_ips == ips[:2000]

    def test_one_bad_peer_in_a_batch_is_found_and_the_others_are_set(self, bed: Bed) -> None:
        bed.converge(bed.interface())
        requests = [SetPeer(bed.name(), fresh_public(), allowed_ips=(f"fd00:{n}::/32",)) for n in range(9)]
        requests[4] = SetPeer(bed.name(), requests[4].public_key, persistent_keepalive=70_000)
        results = bed.wireguard.send(requests)
        assert [n for n, result in enumerate(results) if result is not None] == [4]
        assert isinstance(results[4], RejectedError)
        assert requests[4].public_key in str(results[4])
        assert set(bed.peers(bed.name())) >= {r.public_key for n, r in enumerate(requests) if n != 4}

    def test_a_port_in_use_is_named(self, bed: Bed) -> None:
        bed.converge(bed.interface())
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as holder:
            holder.bind(("::", 0))
            port = holder.getsockname()[1]
            (error,) = bed.wireguard.send([SetDevice(bed.name(), listen_port=port)])
        assert isinstance(error, OccupiedError)
        assert f"UDP port {port}" in str(error)

    def test_a_link_that_is_gone_is_stale_and_has_no_rows(self, bed: Bed) -> None:
        gone = bed.name("gone")
        dump = bed.wireguard.dump({"wireguard": frozenset({gone, "lo"})})["wireguard"]
        assert isinstance(dump, Dump)
        assert list(dump.rows) == []
        public = fresh_public()
        results = bed.wireguard.send(
            [SetDevice(gone, listen_port=1), SetPeer(gone, public), SetPeer(gone, public, remove=True)]
        )
        assert [type(result) for result in results] == [StaleError, StaleError, type(None)]

    def test_without_rights_it_is_denied(self, bed: Bed) -> None:
        bed.converge(bed.interface())
        bed.wireguard.close()
        os.seteuid(65534)
        try:
            looked = bed.wireguard.dump({"wireguard": frozenset({bed.name()})})["wireguard"]
            (result,) = bed.wireguard.send([SetDevice(bed.name(), fwmark=1)])
        finally:
            os.seteuid(0)
        assert isinstance(looked, DeniedError)
        assert isinstance(result, DeniedError)

    def test_a_foreign_interface_is_a_conflict_and_stays_as_it_is(self, bed: Bed) -> None:
        desired = bed.interface(port=PORT)
        bed.converge([*desired, *many_peers(bed.name(), 2)])
        bed.store.inventory = type(bed.store.inventory)()
        before = bed.rows(bed.name())
        self.unmark(bed)
        plan = bed.plan([*bed.interface(port=PORT), *many_peers(bed.name(), 1)])
        assert plan.conflicts
        assert bed.plan([]).operations == ()
        assert bed.rows(bed.name()) == before

    def test_everything_of_ours_goes_away_with_the_link(self, bed: Bed) -> None:
        bed.converge([*bed.interface(port=PORT), *many_peers(bed.name(), 5)])
        round_ = bed.converge([])
        assert [str(o.operation.key) for o in round_.outcomes] == [f"link {bed.name()}"]
        assert bed.store.inventory.entries.keys() <= set()

    def test_a_look_at_everything_finds_every_wireguard(self, bed: Bed) -> None:
        bed.converge([*bed.interface("a"), *bed.interface("b")])
        dump = bed.wireguard.dump({"wireguard": None})["wireguard"]
        assert isinstance(dump, Dump)
        devices = [device for row in dump.rows if (device := WireGuardDevice.decode(row, dump.context))]
        assert {device.link for device in devices} == {bed.name("a"), bed.name("b")}

    def _received(self, bed: Bed, peer: WireGuardPeer) -> int:
        return int(bed.oracle(peer.link)[1][peer.public_key].received)

    def unmark(self, bed: Bed) -> None:
        run("ip", "link", "set", bed.name(), "alias", "somebody's", "group", "default")

    def _two_that_talk(self, bed: Bed, keepalive: int = 600) -> tuple[list[Resource], list[Resource], WireGuardPeer]:
        """Return an interface, another one with a peer that speaks to it, and the first one's peer for the other."""
        keys = fresh_key(), fresh_key()
        first = bed.interface("a", PORT, keys[0])
        back = WireGuardPeer(
            link=bed.name("b"),
            public_key=key_text(keys[0].public),
            endpoint=Endpoint("::1", PORT),
            endpoint_name=f"[::1]:{PORT}",
            allowed_ips=("fdbb::/64",),
            persistent_keepalive=keepalive,
        )
        live = WireGuardPeer(
            link=bed.name("a"),
            public_key=key_text(keys[1].public),
            endpoint=Endpoint("::1", PORT + 1),
            endpoint_name=f"[::1]:{PORT + 1}",
            allowed_ips=("fdaa::/64",),
        )
        return first, [*bed.interface("b", PORT + 1, keys[1]), back], live


def _unchanged_rows(bed: Bed, name: str) -> dict[str, tuple[object, ...]] | None:
    """Return the rows once two looks at them, a fifth of a second apart, are the same."""
    before = bed.rows(name)
    time.sleep(0.2)
    return before if bed.rows(name) == before else None
