"""A babeld that is followed: what is known of it is as fresh as it seems, whatever it or the connection does."""

from __future__ import annotations

import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from intent.resources.babel_interface import AddBabelInterface
from intent.resources.babel_wire import InterfaceRow, RouteRow, XrouteRow
from intent.statistics import BabelSource, Following
from reconciler.backends import babeld_keeper, babeld_pursuit, babeld_socket
from reconciler.backends.babel_table import Known
from reconciler.backends.babeld import Babeld
from reconciler.backends.babeld_client import dump_lines, follow, hired
from reconciler.backends.babeld_following import Follower, Wish, joined
from reconciler.core.backend import Dump
from tests.pure.babel.fake_babeld import GREETING, FakeBabeld, says
from tests.pure.babel.telling import LINES, Telling

PATIENCE_SECONDS = 10.0
NEIGHBOUR = (
    b"%b neighbour 56001104b310 address fe80::206b:e7ff:fee9:9805 if mesh0 "
    b"reach %b ureach 0000 rxcost 96 txcost 96 cost 96\n"
)
OFFENDER = (
    b"%b route 55a9d22d1f99 prefix ::/0 from ::/0 installed %b id 02:00:00:00:00:00:00:0c metric 96 "
    b"refmetric 0 via fe80::206b:e7ff:fee9:9805 if mesh0\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_keeper, "_FIRST_PAUSE_SECONDS", 0.002)


def following(
    path: Path,
    way: Following = Following.MONITOR,
    every_seconds: float | None = None,
    *,
    routes: bool = True,
    listener: Callable[[], None] | None = None,
) -> Follower:
    source = BabelSource(socket=str(path), following=way, every_seconds=every_seconds, routes=routes)
    return follow(source, listener)


def until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def known(follower: Follower) -> Known:
    """Return what is known as soon as anything is."""
    until(lambda: follower.known() is not None, follower.state().problem)
    found = follower.known()
    assert found is not None
    return found


def reach(follower: Follower) -> int | None:
    found = follower.known()
    return None if found is None or not found.neighbours else found.neighbours[0].reach


@pytest.mark.parametrize("way", [Following.MONITOR, Following.DUMP])
def test_all_that_a_babeld_has_is_known(path: Path, way: Following) -> None:
    with FakeBabeld(path, Telling()), closing(following(path, way, 10)) as follower:
        found = known(follower)
        assert (found.version, found.router_id) == ("babeld-1.12.1", "02:00:00:00:00:00:00:0a")
        assert {one.name for one in found.interfaces} == {"mesh0", "gone0"}
        assert [one.reach for one in found.neighbours] == [0xFFF8]
        assert {(one.source, one.metric) for one in found.xroutes} == {("2001:db8:1::/64", 0), ("0.0.0.0/0", 300)}
        assert found.routes is not None
        assert [one.source for one in found.routes] == ["2001:db8:2::/64"]
        state = follower.state()
        assert state.following == way
        assert state.problem == ""
        assert (state.connected_total, state.lost_total, state.dumps_total, state.lines_total) == (1, 0, 1, 6)
        assert state.age_seconds == 0 if way is Following.MONITOR else 0 <= state.age_seconds < 10


def test_a_change_is_known_at_once_and_a_repeat_is_none(path: Path) -> None:
    called = threading.Event()
    babeld = Telling()
    with FakeBabeld(path, babeld), closing(following(path, listener=called.set)) as follower:
        known(follower)
        called.clear()
        before = follower.changes
        babeld.say(NEIGHBOUR % (b"change", b"7ffc"))
        assert called.wait(PATIENCE_SECONDS)
        assert reach(follower) == 0x7FFC
        assert follower.changes > before
        before, routes, lines = follower.changes, follower.route_changes, follower.state().lines_total
        babeld.say(3 * (NEIGHBOUR % (b"change", b"7ffc")))
        until(lambda: follower.state().lines_total == lines + 3, "the repeats were read")
        assert (follower.changes, follower.route_changes) == (before, routes)
        babeld.say(NEIGHBOUR % (b"flush", b"7ffc"))
        until(lambda: not known(follower).neighbours, "the neighbour is gone")


STREAM = (
    LINES
    + b"ok\n"
    + NEIGHBOUR % (b"change", b"7ffc")
    + OFFENDER % (b"add", b"yes")
    + NEIGHBOUR % (b"flush", b"7ffc")
    + NEIGHBOUR.replace(b"56001104b310", b"56001104beef") % (b"add", b"8000")
)


def test_a_stream_that_is_cut_at_any_byte_leaves_nothing(path: Path) -> None:
    """What is known after a cut is what the next connection tells, and in between nothing is."""
    for cut in range(len(STREAM)):
        address = path.with_name(f"c{cut}")
        calls: list[Known | None] = []
        babeld: FakeBabeld

        def converse(client: socket.socket, cut: int = cut) -> None:
            client.sendall(GREETING)
            client.recv(100)
            if babeld.served == 1:  # noqa: B023 - it is called by this one
                client.sendall(STREAM[:cut])
                return
            client.sendall(LINES + b"ok\n" + NEIGHBOUR % (b"change", b"0001"))
            client.recv(100)

        with FakeBabeld(address, converse) as babeld, closing(following(address)) as follower:
            follower.listener = lambda: calls.append(follower.known())  # noqa: B023 - called while it is this one
            until(lambda: reach(follower) == 1, "the second connection is known")
            found = known(follower)
            assert len(found.neighbours) == 1
            assert found.routes is not None
            assert len(found.routes) == 1
            state = follower.state()
            assert (state.connected_total, state.lost_total, state.refused_lines_total) == (2, 1, 0)
        address.unlink()


def test_a_stream_in_any_pieces_is_the_same(path: Path) -> None:
    randomly = random.Random(7)
    for number in range(60):
        address = path.with_name(f"p{number}")

        def converse(client: socket.socket) -> None:
            client.sendall(GREETING)
            client.recv(100)
            rest = STREAM
            while rest:
                size = randomly.randint(1, 200)
                client.sendall(rest[:size])
                rest = rest[size:]
                time.sleep(0.0005)
            client.recv(100)

        with FakeBabeld(address, converse), closing(following(address)) as follower:
            until(lambda: reach(follower) == 0x8000, "the whole stream is known")
            found = known(follower)
            assert found.routes is not None
            assert (len(found.neighbours), len(found.routes), len(found.xroutes)) == (1, 2, 2)
            assert follower.state().lost_total == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\x00\xfe\n",
        b"change \xff\x00\xfe\n",
        b"ok\n",
        b"SSH-2.0-OpenSSH\n",
        b"change route 55a9d22d1f40 prefix ::/0 fr" + NEIGHBOUR % (b"change", b"7ffc"),
    ],
)
def test_garbage_is_never_shown_and_the_connection_is_made_anew(path: Path, garbage: bytes) -> None:
    babeld = Telling()
    with FakeBabeld(path, babeld) as server, closing(following(path)) as follower:
        before = known(follower)._replace(routes=None)
        babeld.say(garbage)
        until(lambda: server.served == 2, "connected again")
        assert known(follower)._replace(routes=None) == before
        assert follower.state().lost_total == 1


@pytest.mark.parametrize(
    "line",
    [
        NEIGHBOUR % (b"change", b"7ffc-new"),
        OFFENDER % (b"add", b"perhaps"),
        b"add interface mesh9 up soon\n",
        b"add xroute x prefix ::/0 from ::/0 metric low\n",
        b"add thing 7 of a newer babeld\n",
    ],
)
def test_a_line_that_a_newer_babeld_writes_otherwise_costs_no_connection(path: Path, line: bytes) -> None:
    babeld = Telling(LINES + (OFFENDER % (b"add", b"yes")).replace(b"metric 96", b"metric low"))
    with FakeBabeld(path, babeld) as server, closing(following(path)) as follower:
        known(follower)
        refused = follower.state().refused_lines_total
        assert refused == 1
        babeld.say(line + b"change interface gone0 up true\n")
        until(lambda: follower.state().lines_total == 9, "the lines are heard")
        state = follower.state()
        assert state.known is not None
        assert [one.up for one in state.known.interfaces] == [True, True]
        assert state.refused_lines_total == refused + (b"thing" not in line)
        assert (state.following, state.lost_total, server.served) == ("monitor", 0, 1)
        # What could not be read may be of concern to others.
        assert dump_lines(str(path), 5) == babeld.have.splitlines()
        assert babeld.heard[-1] == "dump"


def test_a_stream_that_is_cut_time_and_again_is_left_for_dumps(path: Path) -> None:
    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        while command := client.recv(100):
            if command == b"monitor\n":
                client.sendall(
                    LINES + b"ok\n" + b"change route 55a9d22d1f40 prefix ::/0 frchange interface gone0 up tr"
                )
                client.sendall(b"ue\n")
            else:
                client.sendall(LINES + b"ok\n" if command == b"dump\n" else b"ok\n")

    with FakeBabeld(path, converse) as server, closing(following(path)) as follower:
        until(lambda: follower.state().following == "dump" and follower.known() is not None, "dumps")
        served = server.served
        assert 2 <= served <= 4
        time.sleep(0.5)
        assert server.served == served
        assert follower.known() is not None


def test_a_line_without_an_end_is_not_kept(path: Path) -> None:
    babeld = Telling()
    with FakeBabeld(path, babeld) as server, closing(following(path)) as follower:
        known(follower)
        babeld.say(b"change route " + b"x" * (babeld_socket.LONGEST_LINE_BYTES + 1))
        until(lambda: server.served == 2, "connected again")
        known(follower)


def test_a_lost_babeld_is_unknown_at_once_and_known_again_when_it_comes(path: Path) -> None:
    babeld = Telling()
    with closing(following(path)) as follower:
        until(lambda: "nobody listens" in follower.state().problem, "the problem is told")
        with FakeBabeld(path, babeld):
            known(follower)
            before = follower.changes
        path.unlink()
        until(lambda: follower.known() is None, "lost")
        assert follower.changes > before
        until(lambda: "nobody listens" in follower.state().problem, "the problem is told")
        babeld.have = LINES.replace(b"fff8", b"0003")
        with FakeBabeld(path, babeld):
            until(lambda: reach(follower) == 3, "known again")
            assert follower.state().connected_total == 2


def test_a_silent_babeld_is_asked_for_a_sign_of_life_and_unknown_without(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(babeld_pursuit, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(babeld_pursuit, "SIGN_SECONDS", 1.0)
    babeld = Telling()
    with FakeBabeld(path, babeld) as server, closing(following(path)) as follower:
        known(follower)
        before = follower.changes
        until(lambda: babeld.heard.count("") >= 3, "signs of life")
        assert follower.changes == before, "it was known all the time"
        babeld.stop()
        until(lambda: follower.known() is None, "unknown")
        assert follower.changes > before
        until(lambda: "stopped or busy" in follower.state().problem, "why")
        babeld.go_on()
        known(follower)
        assert (server.served, babeld.heard.count("monitor")) == (1, 1)


def test_a_babeld_that_does_not_greet_is_told_so(path: Path) -> None:
    def converse(client: socket.socket) -> None:
        client.recv(100)

    with FakeBabeld(path, converse), closing(following(path)) as follower:
        until(lambda: "four clients" in follower.state().problem, "the problem is told")


def test_commands_get_their_answers_between_events(path: Path) -> None:
    babeld = Telling()
    babeld.before_answer = NEIGHBOUR % (b"change", b"7ffc") + OFFENDER % (b"add", b"yes")
    with FakeBabeld(path, babeld) as server, closing(following(path)) as follower, hired(str(path)) as client:
        known(follower)
        connection = client.connection(5)
        assert connection.command(b"interface mesh1") == ([], "ok")
        assert connection.command(b"nonsense") == ([], "bad")
        answer = connection.command(b"dump")
        assert b"".join(line + b"\n" for line in answer.lines) == OFFENDER % (b"add", b"yes") + LINES
        assert reach(follower) == 0xFFF8
        assert follower.state().lost_total == 0
        assert server.served == 1


def test_looks_read_memory_and_cost_babeld_nothing(path: Path) -> None:
    babeld = Telling()
    with FakeBabeld(path, babeld), closing(Babeld()) as backend, closing(following(path, routes=False)) as follower:
        wanted = {"babel": frozenset({str(path)})}
        first = backend.dump(wanted)["babel"]
        assert isinstance(first, Dump)
        known(follower)
        until(lambda: "monitor" in babeld.heard, "monitored")
        babeld.say(OFFENDER % (b"add", b"yes"))
        until(lambda: follower.state().lines_total >= 7, "heard")
        until(lambda: len(dump_lines(str(path), 5)) == 7, "known")
        heard = list(babeld.heard)
        for _ in range(10):
            found = backend.dump(wanted)["babel"]
            assert isinstance(found, Dump)
            assert {one.name for one in found.rows if isinstance(one, InterfaceRow)} == {"mesh0", "gone0"}
            assert len([one for one in found.rows if isinstance(one, XrouteRow)]) == 2
            assert [one.destination for one in found.rows if isinstance(one, RouteRow)] == ["::/0"]
            assert len(dump_lines(str(path), 5)) == 7
        assert babeld.heard == heard
        follower.close()
        until(lambda: babeld.heard[-1] == "unmonitor", "left in peace")
        backend.dump(wanted)
        assert babeld.heard[-1] == "dump"


def test_what_a_command_changed_is_seen_by_the_next_look(path: Path) -> None:
    babeld = Telling()
    babeld.before_answer = b"add interface mesh7 up true\n"
    with FakeBabeld(path, babeld), closing(Babeld()) as backend, closing(following(path)) as follower:
        known(follower)
        wanted = {"babel": frozenset({str(path)})}
        backend.dump(wanted)
        for number in range(50):
            babeld.before_answer = f"add interface new{number} up true\n".encode()
            assert backend.send([AddBabelInterface(str(path), f"new{number}", ())]) == [None]
            found = backend.dump(wanted)["babel"]
            assert isinstance(found, Dump)
            assert f"new{number}" in [one.name for one in found.rows if isinstance(one, InterfaceRow)]


def test_dumps_come_once_in_their_time_however_many_follow_and_ask(path: Path) -> None:
    babeld = Telling()
    with (
        FakeBabeld(path, babeld) as server,
        closing(following(path, Following.DUMP, 0.3)) as one,
        closing(following(path, Following.DUMP, 5, routes=False)) as other,
    ):
        known(one)
        begun, first = time.monotonic(), len(babeld.heard)
        while len(babeld.heard) < first + 4:
            assert known(one) is known(other)
            assert one.state().age_seconds < 1.6
        assert time.monotonic() - begun >= 3 * 0.3
        assert set(babeld.heard) == {"dump"}
        assert server.served == 1
        until(lambda: one.state().dumps_total == len(babeld.heard), "all are learned")


def test_dumps_for_others_count_as_the_shared_one(path: Path) -> None:
    babeld = Telling()
    with FakeBabeld(path, babeld), closing(following(path, Following.DUMP, 3600)) as follower:
        known(follower)
        babeld.have = LINES.replace(b"fff8", b"0003")
        dump_lines(str(path), 5)
        until(lambda: reach(follower) == 3, "learned")
        assert babeld.heard == ["dump", "dump"]


def test_a_babeld_that_gives_no_more_dumps_is_not_known(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_pursuit, "LATE_SECONDS", 0.1)
    babeld = Telling()
    with FakeBabeld(path, babeld), closing(following(path, Following.DUMP, 0.1)) as follower:
        known(follower)
        babeld.stop()
        until(lambda: follower.known() is None, "old")
        until(lambda: "did not answer `dump`" in follower.state().problem, "why")
        babeld.go_on()
        known(follower)


def test_who_follows_together_gets_what_each_wants(path: Path) -> None:
    babeld = Telling()
    with FakeBabeld(path, babeld) as server, closing(following(path, Following.DUMP, 60, routes=False)) as lean:
        assert known(lean).routes is None
        with closing(following(path)) as rich:
            until(lambda: known(rich).routes is not None, "routes")
            until(lambda: lean.state().following == "monitor", "monitored")
        until(lambda: lean.state().following == "dump" and babeld.heard[-1] == "dump", "dumps again")
        until(lambda: known(lean).routes is None, "no routes again")
        assert "unmonitor" in babeld.heard
        assert server.served == 1


def test_the_freshest_way_that_is_named_wins() -> None:
    def source(way: Following, every_seconds: float | None = None, *, routes: bool = False) -> BabelSource:
        return BabelSource(socket="/s", following=way, every_seconds=every_seconds, routes=routes)

    auto, dump, monitor = Following.AUTO, Following.DUMP, Following.MONITOR
    assert joined([]) is None
    assert joined([], whole=True) is None
    assert joined([source(auto)]) == Wish(auto, None, False)
    assert joined([source(auto), source(dump, 30)]) == Wish(dump, 30, False)
    assert joined([source(dump, 30), source(auto, 15, routes=True)]) == Wish(dump, 15, True)
    assert joined([source(dump, 30), source(monitor), source(auto)]) == Wish(monitor, 30, False)
    assert joined([source(monitor)], whole=True) == Wish(monitor, None, False, True)


def test_dumps_that_are_looked_at_leave_no_routes_in_memory(path: Path) -> None:
    babeld = Telling()
    with (
        FakeBabeld(path, babeld),
        closing(Babeld()) as backend,
        closing(following(path, Following.DUMP, 60, routes=False)) as lean,
    ):
        wanted = {"babel": frozenset({str(path)})}
        assert isinstance(backend.dump(wanted)["babel"], Dump)
        assert known(lean).routes is None
        with closing(following(path, Following.MONITOR, routes=False)) as fresh:
            until(lambda: fresh.state().following == "monitor" and known(fresh).routes is not None, "kept for looks")
        until(lambda: lean.state().following == "dump" and known(lean).routes is None, "none again")
        assert isinstance(backend.dump(wanted)["babel"], Dump)
        assert known(lean).routes is None


def test_news_are_of_what_is_of_concern_and_not_of_repeats(path: Path) -> None:
    babeld = Telling()
    with (
        FakeBabeld(path, babeld),
        closing(Babeld()) as backend,
        closing(following(path)) as follower,
        closing(backend.events()) as stream,
    ):
        known(follower)
        wanted = {"babel": frozenset({str(path)})}

        def words(seconds: float = PATIENCE_SECONDS) -> str:
            """Return the next news, and look."""
            deadline = time.monotonic() + seconds
            while select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
                if news := stream.read().actors.get("babel", ""):
                    backend.dump(wanted)
                    return news
            return ""

        backend.dump(wanted)
        stream.read()
        babeld.say(OFFENDER % (b"add", b"yes"))
        assert "routes that others announce" in words()
        babeld.say(20 * (OFFENDER % (b"change", b"yes")) + NEIGHBOUR % (b"change", b"7ffc"))
        babeld.say(LINES.replace(b"add ", b"change "))
        assert words(1) == ""
        babeld.say(OFFENDER % (b"flush", b"yes"))
        assert "routes that others announce" in words()
        babeld.say(b"add xroute ::/0-2001:db8:9::/64 prefix ::/0 from 2001:db8:9::/64 metric 0\n")
        assert "xroutes" in words()
        babeld.say(b"change interface mesh0 up false\n")
        assert "interfaces" in words()


def test_news_of_a_wild_mesh_come_at_most_twice_a_second(path: Path) -> None:
    babeld = Telling()
    with (
        FakeBabeld(path, babeld),
        closing(Babeld()) as backend,
        closing(following(path)) as follower,
        closing(backend.events()) as stream,
    ):
        known(follower)
        wanted = {"babel": frozenset({str(path)})}
        backend.dump(wanted)
        stream.read()
        told = 0
        begun = time.monotonic()
        while time.monotonic() < begun + 2:
            babeld.say(OFFENDER % (b"add", b"yes") + OFFENDER % (b"flush", b"yes"))
            if stream.read().tables:
                told += 1
                backend.dump(wanted)
        assert 2 <= told <= 6


def test_a_greeting_that_is_no_babel_is_a_problem_in_words(path: Path) -> None:
    with FakeBabeld(path, says(greeting=b"SSH-2.0-OpenSSH_9.2\nok\n")), closing(following(path)) as follower:
        until(lambda: "is not babeld" in follower.state().problem, "the problem is told")
        assert follower.known() is None


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("babeld ")]
