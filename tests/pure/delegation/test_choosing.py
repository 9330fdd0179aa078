"""Which delegated prefix is in use: at once a new one, never none for a moment, and clear words otherwise."""

from __future__ import annotations

import math
from collections.abc import Collection
from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.references import DelegatedPrefix
from reconciler.backends.delegated_prefixes import (
    GRACE_SECONDS,
    DelegatedPrefixes,
    Delegations,
    HeldAddress,
    OwnPart,
)

WAN = DelegatedPrefix("wan", 60, special_purpose=True, routing_table=10)
OLD, NEW, OTHER = (IPv6Network(f"2001:db8:{number}00::/56") for number in (1, 2, 3))
OLD_LAST, NEW_LAST = (IPv6Network(f"2001:db8:{number}00:f0::/60") for number in (1, 2))


class Time:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds

    def boot(self) -> str:
        return "this one"


class Bed:
    """A resolver, and what the kernel has."""

    def __init__(self) -> None:
        self.time = Time()
        self.routes: set[IPv6Network] = set()
        self.addresses: list[HeldAddress] = []
        self.own: list[OwnPart] = []
        self.looks = 0
        self.start()

    def start(self) -> None:
        """Start anew: what was in use is forgotten, but for what the kernel has."""
        self.resolver = DelegatedPrefixes(self.time, look=self.look, look_at_own={10: self.own}.__getitem__)

    def look(self) -> Delegations:
        self.looks += 1
        return Delegations(frozenset(self.routes), tuple(self.addresses))

    def add(self, *prefixes: IPv6Network | str) -> None:
        self.routes |= {IPv6Network(prefix) for prefix in prefixes}

    def remove(self, prefix: IPv6Network) -> None:
        self.routes.discard(prefix)

    def on_lan(self, prefix: IPv6Network, deprecated: bool) -> None:
        """Have an address of a LAN inside a prefix, deprecated or not."""
        self.addresses = [one for one in self.addresses if one.address not in prefix]
        self.addresses.append(HeldAddress(prefix[1], 64, "lan", deprecated))

    def happen(self, event: str, prefix: IPv6Network) -> None:
        """Have something happen to a prefix."""
        match event:
            case "add":
                self.add(prefix)
            case "remove":
                self.remove(prefix)
            case "deprecate":
                self.on_lan(prefix, deprecated=True)
            case "prefer":
                self.on_lan(prefix, deprecated=False)

    def now(self, reference: DelegatedPrefix = WAN) -> IPv6Network | None:
        value: IPv6Network | None = self.resolver.resolve(reference).value
        return value

    def notes(self, reference: DelegatedPrefix = WAN) -> str:
        return "\n".join(self.resolver.resolve(reference).notes)


@pytest.fixture
def bed() -> Bed:
    return Bed()


def test_the_last_part_of_the_one_that_is_there(bed: Bed) -> None:
    bed.add(OLD)
    assert bed.now() == OLD_LAST
    assert bed.notes() == ""
    assert bed.resolver.due() == math.inf


@pytest.mark.parametrize(
    ("length", "subnet", "part"),
    [
        (60, 0, "2001:db8:100::/60"),
        (60, 1, "2001:db8:100:10::/60"),
        (60, -2, "2001:db8:100:e0::/60"),
        (60, -16, "2001:db8:100::/60"),
        (56, -1, "2001:db8:100::/56"),
        (64, 255, "2001:db8:100:ff::/64"),
    ],
)
def test_parts_are_counted_from_the_start_or_from_the_end(bed: Bed, length: int, subnet: int, part: str) -> None:
    bed.add(OLD)
    assert bed.now(DelegatedPrefix("wan", length, subnet, special_purpose=True)) == IPv6Network(part)


@pytest.mark.parametrize("subnet", [16, -17, 2**31 - 1])
def test_a_part_that_is_not_there_is_said_to_be_missing(bed: Bed, subnet: int) -> None:
    bed.add(OLD)
    reference = DelegatedPrefix("wan", 60, subnet, special_purpose=True)
    assert bed.now(reference) is None
    assert f"no `subnet: {subnet}`" in bed.notes(reference)


def test_nothing_is_waited_for_and_comes(bed: Bed) -> None:
    assert bed.now() is None
    assert bed.notes() == "no prefix is delegated on wan now; it is waited for"
    bed.add(OLD)
    assert bed.now() == OLD_LAST


def test_what_is_too_small_or_not_routed_is_said_to_be(bed: Bed) -> None:
    bed.add("2001:db8:1::/62", "fd00:1::/48")
    reference = DelegatedPrefix("wan", 60)
    assert bed.now(reference) is None
    said = bed.notes(reference)
    assert "2001:db8:1::/62 is delegated, which is smaller than a prefix of length 60" in said
    assert "fd00:1::/48 is unique local addresses" in said
    bed.add("2a00:1::/56")
    # OpenWrt has an unreachable route for its unique local prefix too.
    assert bed.now(reference) == IPv6Network("2a00:1:0:f0::/60")
    assert bed.notes(reference) == ""


def test_several_are_named_and_the_block_of_the_provider_decides(bed: Bed) -> None:
    bed.add(OLD, NEW)
    assert bed.now() is None
    for word in (str(OLD), str(NEW), "within"):
        assert word in bed.notes()
    inside = DelegatedPrefix("wan", 60, within=IPv6Network("2001:db8:200::/40"), special_purpose=True)
    assert bed.now(inside) == NEW_LAST


ANNOUNCED_OLD, HELD_OLD = OwnPart(OLD_LAST, announced=True), OwnPart(OLD_LAST, announced=False)
ANNOUNCED_NEW, HELD_NEW = OwnPart(NEW_LAST, announced=True), OwnPart(NEW_LAST, announced=False)


@pytest.mark.parametrize(
    ("own", "part"),
    [
        pytest.param([ANNOUNCED_OLD, HELD_OLD], OLD_LAST, id="what is announced"),
        pytest.param([HELD_OLD], OLD_LAST, id="the guard of an exit that is withdrawn for its health"),
        pytest.param([HELD_OLD, ANNOUNCED_NEW, HELD_NEW], NEW_LAST, id="the old one was about to go"),
        pytest.param([OwnPart(IPv6Network((NEW[7], 128)), announced=True)], NEW_LAST, id="another part of it"),
        pytest.param([ANNOUNCED_OLD, ANNOUNCED_NEW], None, id="both"),
        pytest.param([OwnPart(IPv6Network("::/0"), announced=True), OwnPart(OTHER, announced=True)], None, id="none"),
    ],
)
def test_of_several_the_one_that_our_own_routes_are_of_stays_over_a_new_start(
    bed: Bed, own: list[OwnPart], part: IPv6Network | None
) -> None:
    bed.add(OLD, NEW)
    bed.own[:] = own
    for _ in range(2):
        assert bed.now() == part
        assert (" is in use, and delegated are " in bed.notes()) == (part is not None)
        bed.start()
    bed.remove(OLD)
    assert bed.now() == NEW_LAST


def test_our_own_routes_of_one_that_is_deprecated_do_not_keep_it(bed: Bed) -> None:
    bed.add(OLD, NEW)
    bed.on_lan(OLD, deprecated=True)
    bed.own.append(ANNOUNCED_OLD)
    assert bed.now() == NEW_LAST


def test_an_address_of_our_own_without_a_lifetime_does_not_keep_what_the_client_deprecates(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.add(NEW)
    bed.addresses = [
        HeldAddress(OLD[1], 64, "lan", deprecated=True),
        HeldAddress(OLD_LAST[1], 64, "clients", deprecated=False, permanent=True),
    ]
    assert bed.now() == NEW_LAST


def test_an_address_with_a_short_prefix_is_as_good_and_that_of_the_link_is_not(bed: Bed) -> None:
    bed.addresses = [HeldAddress(OLD[1], 56, "wan", deprecated=False)]
    assert bed.now() == OLD_LAST
    bed.addresses = [HeldAddress(NEW[1], 64, "wan", deprecated=False), HeldAddress(NEW[2], 56, "lan", deprecated=False)]
    bed.time.seconds += GRACE_SECONDS
    bed.now()
    bed.time.seconds += GRACE_SECONDS
    assert bed.now() is None


def test_one_that_vanishes_and_comes_back_within_the_time_of_grace_was_there_all_the_time(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.remove(OLD)
    begun = bed.time.seconds
    for _ in range(9):
        assert bed.now() == OLD_LAST
        assert bed.resolver.due() == begun + GRACE_SECONDS
        bed.time.seconds += 1
    assert "not delegated on wan any more" in bed.notes()
    bed.add(OLD)
    assert bed.now() == OLD_LAST
    assert bed.resolver.due() == math.inf
    assert bed.notes() == ""


def test_one_that_stays_away_is_gone_when_the_time_of_grace_is_over(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.remove(OLD)
    bed.now()
    bed.time.seconds = bed.resolver.due()
    assert bed.resolver.refresh()
    assert bed.now() is None
    assert bed.resolver.due() == math.inf


def test_a_new_one_is_taken_at_once_when_the_old_one_goes(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.remove(OLD)
    bed.add(NEW)
    assert bed.now() == NEW_LAST
    # The one that was in use is a stranger from then on.
    bed.add(OLD)
    assert bed.now() == NEW_LAST
    assert str(OLD) in bed.notes()


def test_a_new_one_within_the_time_of_grace_is_taken_at_once(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.remove(OLD)
    assert bed.now() == OLD_LAST
    bed.time.seconds += 3
    bed.add(NEW)
    assert bed.now() == NEW_LAST


def test_one_of_another_uplink_that_was_there_before_is_not_taken_for_what_goes(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.add(OTHER)
    assert bed.now() == OLD_LAST
    bed.time.seconds += 3600
    bed.remove(OLD)
    begun = bed.time.seconds
    assert bed.now() == OLD_LAST
    assert bed.resolver.due() == begun + GRACE_SECONDS
    bed.time.seconds = bed.resolver.due()
    for _ in range(2):
        assert bed.now() is None
        assert f"{OTHER} was delegated beside the one that is gone" in bed.notes()
        assert "within" in bed.notes()
        bed.time.seconds += 60
    bed.add(NEW)
    assert bed.now() == NEW_LAST


def test_a_new_one_is_taken_at_once_beside_that_of_another_uplink(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.add(OTHER)
    bed.now()
    bed.time.seconds += 3600
    bed.remove(OLD)
    bed.add(NEW)
    assert bed.now() == NEW_LAST


def test_one_that_came_shortly_before_the_other_went_is_taken_at_once(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.add(NEW)
    bed.now()
    bed.time.seconds += GRACE_SECONDS / 2
    bed.remove(OLD)
    assert bed.now() == NEW_LAST


def test_one_inside_the_block_that_the_operator_names_is_taken_at_once_however_long_it_was_there(bed: Bed) -> None:
    inside = DelegatedPrefix("wan", 60, within=IPv6Network("2001:db8::/32"), special_purpose=True)
    bed.add(OLD)
    bed.now(inside)
    bed.add(NEW)
    bed.now(inside)
    bed.time.seconds += 3600
    bed.remove(OLD)
    assert bed.now(inside) == NEW_LAST


def test_while_both_are_there_the_one_in_use_stays_until_it_is_deprecated(bed: Bed) -> None:
    bed.add(OLD)
    bed.on_lan(OLD, deprecated=False)
    bed.now()
    bed.add(NEW)
    bed.on_lan(NEW, deprecated=False)
    assert bed.now() == OLD_LAST
    bed.on_lan(OLD, deprecated=True)
    assert bed.now() == NEW_LAST
    bed.remove(OLD)
    assert bed.now() == NEW_LAST
    assert bed.notes() == ""


def test_a_deprecated_one_is_better_than_none(bed: Bed) -> None:
    bed.add(OLD)
    bed.on_lan(OLD, deprecated=True)
    assert bed.now() == OLD_LAST


def test_what_nobody_refers_to_any_more_is_forgotten_and_costs_no_look(bed: Bed) -> None:
    bed.add(OLD)
    bed.now()
    bed.remove(OLD)
    bed.now()
    looks = bed.looks
    assert bed.resolver.resolve_all([]) == {}
    assert bed.looks == looks
    assert bed.resolver.due() == math.inf
    assert bed.now() is None


PREFIXES = (OLD, NEW, OTHER)
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "deprecate", "prefer", "wait"]),
        st.sampled_from(PREFIXES),
        st.sampled_from([0.0, 0.5, 3.0, 9.9, 10.0, 11.0]),
    ),
    max_size=40,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=400)
@given(steps)
def test_it_never_flaps_whatever_comes_in_whatever_order(events: list[tuple[str, IPv6Network, float]]) -> None:
    """What is in use changes only where it is gone or deprecated; to none only after the whole time of grace."""
    bed = Bed()
    before: IPv6Network | None = None
    missing_since: float | None = None
    came: dict[IPv6Network, float] = {}
    beside: set[IPv6Network] = set()
    for event, prefix, seconds in events:
        bed.happen(event, prefix)
        bed.time.seconds += seconds
        if (due := bed.resolver.due()) < bed.time.seconds:
            assert missing_since is not None
            assert due == missing_since + GRACE_SECONDS
        now = bed.now()
        assert bed.now() == now, "a second look at the same is the same"
        usable = _usable(bed.routes, bed.look())
        came = {one: came.get(one, bed.time.seconds) for one in sorted(bed.routes)}
        beside &= bed.routes
        whole = None if before is None else before.supernet(new_prefix=56)
        if whole is None or whole in usable:
            missing_since = None
        elif missing_since is None:
            missing_since = bed.time.seconds
            if whole not in bed.routes:
                beside = {one for one in came if came[one] <= missing_since - GRACE_SECONDS}
        if whole in usable:
            beside = set()
        candidates = [one for one in usable if one not in beside]
        if now != before:
            assert whole not in usable
            if now is None:
                assert missing_since is not None
                assert bed.time.seconds >= missing_since + GRACE_SECONDS
            else:
                assert [now.supernet(new_prefix=56)] == candidates
                missing_since, beside = None, set()
        elif now is None:
            assert len(candidates) != 1
        before = now
        missing_since = None if now is None else missing_since


def _usable(routes: Collection[IPv6Network], seen: Delegations) -> list[IPv6Network]:
    return [prefix for prefix in sorted(routes) if not seen.deprecated(prefix)] or sorted(routes)


def test_addresses_elsewhere_say_nothing_about_a_prefix() -> None:
    seen = Delegations({OLD}, (HeldAddress(IPv6Address("2001:db8:9::1"), 64, "lan", deprecated=True),))
    assert not seen.deprecated(OLD)
