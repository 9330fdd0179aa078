"""When a peer differs, and that changing it ends right whatever the order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.resources.resource import Key
from intent.resources.wireguard_names import Endpoint, endpoint, key_bytes, key_text, prefix, prefixes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import NO_PRESHARED_KEY, SetPeer
from intent.resources.wireguard_rows import HANDSHAKE_STALE_AFTER_SECONDS
from intent.secrets import PresharedKey
from tests.pure.wireguard.model import Model
from tests.pure.wireguard.strategies import LINK, networks, peers

PUBLIC = key_text(bytes(range(32)))
HERE, THERE = Endpoint("2001:db8::1", 51820), Endpoint("2001:db8::2", 4711)
FRESH, STALE = 20.0, HANDSHAKE_STALE_AFTER_SECONDS + 1.0

want = WireGuardPeer(
    link=LINK, public_key=PUBLIC, endpoint=HERE, endpoint_name="gw.example.org:51820", persistent_keepalive=0
)


def observed(where: Endpoint | None, age: float | None, asked: str | None) -> WireGuardPeer:
    return replace(want, endpoint=where, handshake_age=age, endpoint_name=asked)


@pytest.mark.parametrize(
    ("where", "age", "asked", "is_set"),
    [
        pytest.param(HERE, FRESH, "gw.example.org:51820", False, id="where it was asked to be"),
        pytest.param(HERE, None, None, False, id="where it was asked to be, never heard of"),
        pytest.param(THERE, FRESH, "gw.example.org:51820", False, id="roamed"),
        pytest.param(THERE, FRESH, None, False, id="roamed, and nothing is remembered"),
        pytest.param(THERE, STALE, "gw.example.org:51820", True, id="roamed and silent since"),
        pytest.param(THERE, None, "gw.example.org:51820", True, id="elsewhere and never heard of"),
        pytest.param(THERE, FRESH, "old.example.org:51820", True, id="the file's endpoint was rewritten"),
        pytest.param(None, None, "gw.example.org:51820", True, id="nowhere"),
    ],
)
def test_an_endpoint_is_a_hint(where: Endpoint | None, age: float | None, asked: str | None, is_set: bool) -> None:
    assert set(want.changes(observed(where, age, asked))) == ({"endpoint"} if is_set else set())


@pytest.mark.parametrize("age", [FRESH, STALE, None])
@pytest.mark.parametrize("asked", ["gw.example.org:51820", "old.example.org:51820", None])
def test_any_address_of_the_name_will_do(age: float | None, asked: str | None) -> None:
    """A name server that gives its addresses in turn must not make a difference of it."""
    several = replace(want, other_endpoints=(THERE,))
    assert several.changes(observed(THERE, age, asked)) == {}
    assert not several.roamed(observed(THERE, age, asked))
    elsewhere = Endpoint(THERE.address, THERE.port + 1)
    assert ("endpoint" in several.changes(observed(elsewhere, STALE, asked))) is True


def test_a_name_without_an_address_leaves_the_endpoint_alone() -> None:
    assert replace(want, endpoint=None).changes(observed(THERE, STALE, "gw.example.org:51820")) == {}


def test_a_roamed_peer_is_known_as_roamed() -> None:
    assert want.roamed(observed(THERE, FRESH, "gw.example.org:51820"))
    assert not want.roamed(observed(HERE, FRESH, "gw.example.org:51820"))
    assert not want.roamed(observed(THERE, STALE, "gw.example.org:51820"))
    assert not want.roamed(observed(None, None, None))


def test_what_was_asked_for_is_remembered_and_recalled() -> None:
    remembered = want.remember(None)
    assert remembered == {"endpoint": "gw.example.org:51820"}
    assert observed(THERE, FRESH, None).recall(remembered).endpoint_name == "gw.example.org:51820"
    assert replace(want, endpoint_name=None).remember(None) is None


def test_a_preshared_key_that_is_not_wanted_is_taken_away() -> None:
    have = replace(want, preshared_key=PresharedKey(b"p" * 32))
    changes = want.changes(have)
    (request,) = want.update(have, changes)
    assert request == SetPeer(LINK, PUBLIC, preshared_key=NO_PRESHARED_KEY, update_only=True)
    assert (have.show("preshared_key"), want.show("preshared_key")) == ("(secret)", "none")


def test_an_unmanaged_keepalive_is_not_compared() -> None:
    assert replace(want, persistent_keepalive=None).changes(replace(want, persistent_keepalive=25)) == {}


@pytest.mark.parametrize(
    ("have", "wanted", "sent", "replaces"),
    [
        pytest.param(("fd01::/16",), ("fd01::/16", "fd02::/16"), ("fd02::/16",), False, id="only what it lacks"),
        pytest.param(("fd01::/16", "fd02::/16"), ("fd01::/16",), ("fd01::/16",), True, id="all, where one has to go"),
        pytest.param(("fd01::/16",), (), (), True, id="none"),
    ],
)
def test_allowed_ips_without_a_gap_where_none_has_to_go(
    have: tuple[str, ...], wanted: tuple[str, ...], sent: tuple[str, ...], replaces: bool
) -> None:
    desired, now = replace(want, allowed_ips=wanted), replace(want, allowed_ips=have)
    (request,) = desired.update(now, desired.changes(now))
    assert request == SetPeer(LINK, PUBLIC, allowed_ips=sent, replace_allowed_ips=replaces, update_only=True)


@given(st.lists(peers, max_size=5, unique_by=lambda p: p.public_key))
def test_creating_leads_to_what_is_desired(desired: list[WireGuardPeer]) -> None:
    desired = disjoint(desired)
    assert Model(desired).observed(LINK) == {peer.public_key: peer for peer in desired}


@given(st.data())
def test_changing_ends_right_in_every_order(data: st.DataObject) -> None:
    pool = data.draw(st.lists(networks, max_size=8).map(prefixes))
    keys = [key_text(bytes([n]) * 32) for n in range(4)]
    before, after = (
        [
            WireGuardPeer(link=LINK, public_key=key, allowed_ips=ips, persistent_keepalive=0)
            for key, ips in data.draw(shares(pool, keys)).items()
        ]
        for _ in range(2)
    )
    model = Model(before)
    have = model.observed(LINK)
    todo = [peer.create() for peer in after if peer.public_key not in have]
    todo += [
        peer.update(have[peer.public_key], changes)
        for peer in after
        if peer.public_key in have and (changes := peer.changes(have[peer.public_key]))
    ]
    todo += [peer.delete() for key, peer in have.items() if key not in {peer.public_key for peer in after}]
    for requests in data.draw(st.permutations(todo)):
        model.carry_out(requests)
    assert model.observed(LINK) == {peer.public_key: peer for peer in after}


def shares(pool: tuple[str, ...], keys: list[str]) -> st.SearchStrategy[dict[str, tuple[str, ...]]]:
    """Return ways to give each prefix to one of some of the keys, or to none."""

    def give(holders: list[str], places: list[int]) -> dict[str, tuple[str, ...]]:
        given_to: dict[str, list[str]] = {key: [] for key in holders}
        for each, place in zip(pool, places, strict=True):
            if place < len(holders):
                given_to[holders[place]].append(each)
        return {key: prefixes(ips) for key, ips in given_to.items()}

    places = st.lists(st.integers(0, len(keys)), min_size=len(pool), max_size=len(pool))
    return st.builds(give, st.lists(st.sampled_from(keys), unique=True), places)


def disjoint(desired: list[WireGuardPeer]) -> list[WireGuardPeer]:
    taken: set[str] = set()
    result = []
    for peer in desired:
        result.append(replace(peer, allowed_ips=tuple(ip for ip in peer.allowed_ips if ip not in taken)))
        taken.update(peer.allowed_ips)
    return result


@given(peers)
def test_nothing_changes_against_itself(peer: WireGuardPeer) -> None:
    assert peer.changes(peer) == {}


def test_its_place_among_the_others() -> None:
    assert want.key == Key("wireguard peer", (LINK, PUBLIC))
    assert want.requires() == (Key("wireguard", (LINK,)),)
    assert want.part_of() == Key("link", (LINK,))
    assert want.partition() == LINK


def test_a_long_list_is_shown_short() -> None:
    peer = replace(want, allowed_ips=prefixes(f"fd00:{n:x}::/32" for n in range(1, 1001)))
    assert peer.show("allowed_ips").endswith("and 996 more")
    assert len(peer.describe()) < 250


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("2001:DB8::1/64", "2001:db8::/64"),
        ("::", "::/128"),
        ("0::0/0", "::/0"),
    ],
)
def test_prefixes_have_one_spelling(text: str, spelled: str) -> None:
    assert prefix(text) == spelled


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "fd00::/129", "example.org", "10.0.0.0/8/8"])
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not appear to be"):
        prefix(text)


def test_endpoints_have_one_spelling() -> None:
    assert str(endpoint("2001:DB8:0::1", 5)) == "[2001:db8::1]:5"
    assert str(endpoint("::ffff:192.0.2.1", 5)) == "192.0.2.1:5"
    assert str(endpoint("fe80::1%mesh0", 5)) == "[fe80::1%mesh0]:5"
    with pytest.raises(ValueError, match="no UDP port"):
        endpoint("::1", 0)


def test_keys_have_one_spelling() -> None:
    # The last character carries two bits that say nothing.
    loose = PUBLIC[:-2] + {"8": "9"}[PUBLIC[-2]] + "="
    assert key_text(key_bytes(loose)) == PUBLIC
    for text in ("", "AAAA", PUBLIC[:-1], PUBLIC + "A", "?" * 43 + "="):
        with pytest.raises(ValueError, match="44 characters"):
            key_bytes(text)
