"""What a look makes of the rows of several tables, and of rows that are told of one by one, on a node in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_configuration import BabelConfiguration
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface
from intent.resources.file import File, KeyFile
from intent.resources.netlink import NetlinkRequest
from intent.resources.route import RTM_DELROUTE, Route
from intent.secrets import PrivateKey
from reconciler.backends.fake import FakeNode
from reconciler.backends.fake.routes import FakeRoute
from reconciler.core import observe as looking
from reconciler.core import reading
from reconciler.core.backend import Dump, Partitions, RowNews
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.errors import BackendError, BusyError
from reconciler.core.inventory import Inventory, InventoryInMemory
from reconciler.core.observe import Observer, observe
from reconciler.core.plan import Action
from reconciler.core.reconcile import apply, look
from tests.pure.core.comparisons import as_told

REAL_KINDS = True
SOCKET, CONFIGURATION = "/run/babeld.sock", "/etc/stellwerk/babeld.conf"


def test_two_tables_that_tell_of_one_space_are_both_seen() -> None:
    node, store = FakeNode(), InventoryInMemory()
    file = File(CONFIGURATION, BabelConfiguration(table=10).render())
    keys = KeyFile("/keys/wg-mesh", PrivateKey(bytes([1]) * 32))
    both = Desired([file, keys])
    apply(look(both, [node], store), both, [node], store)
    seen = observe([node], both, store.load())
    assert {key for key in seen.resources if key.space == "file"} == {file.key, keys.key}
    assert file.key in seen.owned
    assert diff(both, replace(seen, unsettled=None)).empty
    changed = File(CONFIGURATION, BabelConfiguration(table=11).render())
    (operation,) = diff([changed, keys], observe([node], [changed, keys], store.load())).operations
    assert (operation.action, operation.desired) == (Action.UPDATE, changed)


def test_babeld_is_not_restarted_for_a_configuration_that_is_there_beside_a_key() -> None:
    node, store = FakeNode(), InventoryInMemory()
    node.kernel.add_link("mesh0", "veth", up=True)
    file = File(CONFIGURATION, BabelConfiguration(table=10).render())
    daemon = BabelDaemon(SOCKET, CONFIGURATION, ("systemctl", "restart", "babeld"))
    desired = [file, daemon, KeyFile("/keys/wg-mesh", PrivateKey(bytes([1]) * 32))]
    apply(look(desired, [node], store), desired, [node], store)
    interface = BabelInterface("mesh0", SOCKET, (("type", "wired"),))
    plan = look([*desired, interface], [node], store).plan
    assert [(operation.action, operation.key) for operation in plan.operations] == [(Action.CREATE, interface.key)]


# Rows that are told of one by one.

TABLE = 10
TAIL = struct.pack("=HH32x", 36, 12) + struct.pack("=HHB3x", 5, 20, 0)
"""What the kernel ends a row with: RTA_CACHEINFO and RTA_PREF (rt6_fill_node)."""
ANYTHING = Route(routing_table=TABLE, destination="2001:db8:9::/48", link="mesh0")
PLACES = [("::/0", "2001:db8:1::/48"), ("::/0", "2001:db8:2::/48"), ("2001:db8:3::/48", "::/0")]
ANNOUNCED = Inventory(
    {
        BabelAnnouncement(*place, SOCKET, None).key: {"socket": SOCKET, "route": ["route", TABLE, *place, 1024]}
        for place in PLACES[1:]
    }
)
"""Of what these routes were announced others are told when they have vanished."""


class TellingNode(FakeNode):
    """A node whose routes look as the kernel's do, and that tells of each change to them as the kernel does."""

    def __init__(self, digests: bool) -> None:
        super().__init__()
        self.digests = digests
        self.looks: list[str] = []
        for name in ("mesh0", "wan"):
            self.kernel.add_link(name, "veth", up=True)

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        self.looks += wanted
        return {table: self._as_the_kernel(table, dump) for table, dump in super().dump(wanted).items()}

    def _as_the_kernel(self, table: str, dump: Dump | BackendError) -> Dump | BackendError:
        if isinstance(dump, BackendError):
            return dump
        rows = [row + TAIL for row in dump.rows] if table == "route" else list(dump.rows)
        digest = (repr(rows), repr(dump.context)) if self.digests else None
        return replace(dump, rows=iter(rows), digest=digest)

    def change(self, request: NetlinkRequest) -> list[RowNews]:
        """Carry out a change; return what the kernel tells of it: nothing of what was replaced.

        A next hop that comes is told first and with the others of its route, one that goes alone, all of them together.
        """
        routes = self.kernel.routes
        before = list(routes._added)
        self.send([request])
        gone = [one for one in before if not any(one is left for left in routes._added)]
        come = [one for one in routes._added if not any(one is there for there in before)]
        told = [RowNews(one.row(*others(one, routes._added)) + TAIL, gone=False) for one in come]
        if request.type == RTM_DELROUTE and gone:
            told.append(RowNews(gone[0].row(*gone[1:]) + TAIL, gone=True))
        return told


def others(route: FakeRoute, routes: Iterable[FakeRoute]) -> list[FakeRoute]:
    return [one for one in routes if one is not route and one.place == route.place and one.shares and route.shares]


@st.composite
def routes(draw: st.DrawFn) -> Route:
    """A route at one of few places, of ours or of others."""
    destination, source = draw(st.sampled_from(PLACES))
    route = Route(
        routing_table=TABLE,
        destination=destination,
        source=source,
        metric=draw(st.sampled_from([1024, 1024, 512])),
        link=draw(st.sampled_from(["mesh0", "mesh0", "wan"])),
        gateway=draw(st.sampled_from([None, "fe80::1", "fe80::2"])),
        protocol=draw(st.sampled_from([242, 242, 4, 9])),
    )
    if draw(st.integers(0, 5)) == 0:
        return replace(route, kind="unreachable", link=None, gateway=None)
    return route


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, Route]:
    return draw(st.sampled_from(["add", "add", "append", "replace", "delete", "delete", "ours", "link", "over"])), draw(
        routes()
    )


def request_of(deed: str, route: Route) -> NetlinkRequest:
    flags = {"add": 0x600, "append": 0xC00, "replace": 0x500}
    (request,) = route.delete() if deed == "delete" else route.create()
    assert isinstance(request, NetlinkRequest)
    return request if deed == "delete" else replace(request, flags=flags[deed])


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.lists(st.lists(steps(), max_size=4), max_size=6), st.lists(routes(), max_size=4), st.booleans(), st.data())
def test_what_was_told_row_by_row_is_what_a_look_sees(
    rounds: list[list[tuple[str, Route]]], wanted: list[Route], digests: bool, data: st.DataObject
) -> None:
    node, inventory = TellingNode(digests), ANNOUNCED
    desired = Desired({one.key: one for one in wanted}.values() or [ANYTHING])
    observer = Observer([node])
    observer.look(desired, inventory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "MOST_LAID_OVER", data.draw(st.sampled_from([2, 1000])))
        patch.setattr(reading, "HASHES_TELL", data.draw(st.booleans()))
        take_rounds(node, observer, desired, rounds, data)


def take_rounds(
    node: TellingNode,
    observer: Observer,
    desired: Desired,
    rounds: list[list[tuple[str, Route]]],
    data: st.DataObject,
) -> None:
    inventory = ANNOUNCED
    for deeds in rounds:
        told: list[RowNews] = []
        tables: set[str] = set(data.draw(st.sets(st.sampled_from(["rule", "route"]), max_size=1)))
        for number, (deed, route) in enumerate(deeds):
            if deed == "ours":
                # Our own changes are not told; a look at everything follows them.
                node.send([request_of("replace", route)])
                told = []
                observer.look(desired, inventory)
            elif deed == "link":
                name = f"veth{len(list(node.kernel.links))}-{number}"
                node.kernel.add_link(name, "veth", up=True)
                tables |= {"link", "address", "route"}
            elif deed == "over":
                newest = list(node.kernel.links)[-1].name
                told += node.change(request_of("replace", replace(route, kind="unicast", link=newest, gateway=None)))
            else:
                told += node.change(request_of(deed, route))
        node.looks.clear()
        seen = observer.look(desired, inventory, tables, {"route": told} if told else {})
        assert as_told(seen) == as_told(Observer([node]).look(desired, inventory))


@pytest.fixture
def calm() -> tuple[TellingNode, Observer, Desired]:
    """A node with a route as desired, seen once."""
    node, desired = TellingNode(digests=True), Desired([ANYTHING])
    node.change(request_of("add", ANYTHING))
    observer = Observer([node])
    assert observer.look(desired, Inventory()).unsettled == (desired, [])
    node.looks.clear()
    return node, observer, desired


def test_of_a_route_that_is_told_of_no_table_is_looked_at(calm: tuple[TellingNode, Observer, Desired]) -> None:
    node, observer, desired = calm
    gone = node.change(request_of("delete", ANYTHING))
    seen = observer.look(desired, Inventory(), frozenset(), {"route": gone})
    assert seen.unsettled == (desired, [ANYTHING.key])
    assert ANYTHING.key not in seen.resources
    back = node.change(request_of("add", ANYTHING))
    seen = observer.look(desired, Inventory(), frozenset(), {"route": back})
    assert seen.unsettled == (desired, [])
    assert seen.resources[ANYTHING.key] is ANYTHING
    assert node.looks == []


def test_rows_told_without_end_have_their_table_looked_at(
    calm: tuple[TellingNode, Observer, Desired], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MOST_LAID_OVER", 9)
    node, observer, desired = calm
    for number in range(10):
        assert node.looks == []
        route = replace(ANYTHING, destination=f"2001:db8:{number:x}::/48", metric=7)
        told = node.change(request_of("add", route))
        seen = observer.look(desired, Inventory(), frozenset(), {"route": told})
        assert len(seen.owned) == number + 2
    assert node.looks == ["route"]


def test_what_was_told_of_a_table_that_does_not_count_any_more_is_forgotten(
    calm: tuple[TellingNode, Observer, Desired],
) -> None:
    node, observer, desired = calm
    told = node.change(request_of("add", replace(ANYTHING, metric=7)))
    assert len(observer.look(desired, Inventory(), frozenset(), {"route": told}).owned) == 2
    nothing = Desired()
    assert as_told(observer.look(nothing, Inventory())) == as_told(Observer([node]).look(nothing, Inventory()))


def test_a_row_that_cannot_be_understood_has_its_table_looked_at(calm: tuple[TellingNode, Observer, Desired]) -> None:
    node, observer, desired = calm
    observer.look(desired, Inventory(), frozenset(), {"route": [RowNews(b"\xff", gone=False)]})
    assert node.looks == ["route"]


def test_a_table_that_could_not_be_seen_is_looked_at_whatever_is_told_of_it(
    calm: tuple[TellingNode, Observer, Desired],
) -> None:
    node, observer, desired = calm
    node.hide("route", BusyError("not now"))
    observer.look(desired, Inventory())
    node.recover()
    node.looks.clear()
    told = node.change(request_of("add", replace(ANYTHING, metric=7)))
    assert len(observer.look(desired, Inventory(), frozenset(), {"route": told}).owned) == 2
    assert node.looks == ["route"]


def test_beside_a_route_that_was_there_before_one_as_desired_does_not_hide_it() -> None:
    node, desired = TellingNode(digests=True), Desired([ANYTHING])
    node.change(request_of("add", replace(ANYTHING, protocol=4, gateway="fe80::1")))
    observer = Observer([node])
    observer.look(desired, Inventory())
    node.change(request_of("append", ANYTHING))
    for seen in (observer.look(desired, Inventory()), Observer([node]).look(desired, Inventory())):
        (conflict,) = diff(desired, seen).conflicts
        assert "not ours and different" in conflict.reason
