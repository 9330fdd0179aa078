"""babeld's daemon, interfaces and announcements as values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_daemon import (
    NOT_LOADED,
    OUTDATED,
    AwaitBabeld,
    BabelDaemon,
    RestartBabeld,
)
from intent.resources.babel_interface import AddBabelInterface, BabelInterface, FlushBabelInterface
from intent.resources.babel_requests import AwaitXroute
from intent.resources.babel_wire import (
    BabelContext,
    ConfigurationFile,
    DaemonRow,
    InterfaceRow,
    XrouteRow,
    flush_is_safe,
    parse_line,
)
from intent.resources.resource import Key
from tests.pure.babel.fake_babeld import DUMP

SOCKET = "/run/babeld.sock"
FILE = "/etc/stellwerk/babeld.conf"
NO_LINKS = BabelContext(frozenset())


def test_a_dump_gives_interfaces_and_xroutes() -> None:
    rows = [parse_line(SOCKET, "babeld-1.12.1", line) for line in DUMP.splitlines()[:-1]]
    assert [row for row in rows if row] == [
        InterfaceRow(SOCKET, "babeld-1.12.1", "mesh0", True),
        InterfaceRow(SOCKET, "babeld-1.12.1", "gone0", False),
        XrouteRow(SOCKET, "::/0", "2001:db8:1::/64", 0),
        XrouteRow(SOCKET, "10.7.0.0/16", "0.0.0.0/0", 300),
    ]


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b"add xroute x prefix ::/0 from 2001:DB8::/32 metric 1 new 2", XrouteRow(SOCKET, "::/0", "2001:db8::/32", 1)),
        (b"add interface a up true ipv6 fe80::1 new 1", InterfaceRow(SOCKET, "v", "a", True)),
        (b"add station 12", None),
    ],
)
def test_what_a_newer_babeld_adds_is_passed_over(line: bytes, row: object) -> None:
    assert parse_line(SOCKET, "v", line) == row


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"ok", b"add", b"add interface", b"add interface a", b"add interface a up maybe"),
        *(b"\xff\x00", b"change x", b"add xroute", b"add xroute a prefix b from c metric d"),
        b"add xroute a prefix b/1 from ::/0 metric 1",
    ],
)
def test_what_is_no_line_of_babeld_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"line|network"):
        parse_line(SOCKET, "v", line)


@given(st.binary(max_size=80).map(lambda end: b"add " + end))
def test_no_line_does_more_than_be_refused(line: bytes) -> None:
    try:
        parse_line(SOCKET, "v", line)
    except ValueError:
        return


@pytest.mark.parametrize("version", ["babeld-1.14", "babeld-1.14.1", "babeld-2.0", "babeld-1.14-3-gdeadbee"])
def test_a_version_known_to_be_safe_is_flushed(version: str) -> None:
    assert flush_is_safe(version)


@pytest.mark.parametrize(
    "version",
    ["babeld-1.13.1", "babeld-1.13.1-50-gdeadbee", "babeld-1.9", "", "odd", "1.14", "babeld-1.14-rc1", "babeld-1.14\n"],
)
def test_any_other_version_is_not(version: str) -> None:
    assert not flush_is_safe(version)


def daemon(*files: ConfigurationFile, command: tuple[str, ...] | None = None) -> BabelDaemon:
    return BabelDaemon(SOCKET, FILE, command, started_with=files or None)


def test_a_daemon_with_our_current_file_or_an_unknown_one_is_as_it_should_be() -> None:
    for observed in (daemon(), daemon(ConfigurationFile("/a", False), ConfigurationFile(FILE, True))):
        assert daemon().changes(observed) == {}


@pytest.mark.parametrize(("path", "lack"), [("/etc/babeld.conf", NOT_LOADED), (FILE, OUTDATED)])
def test_a_daemon_without_our_current_file_is_a_difference(path: str, lack: str) -> None:
    observed = daemon(ConfigurationFile(path, False))
    change = daemon().changes(observed)["configuration"]
    assert (change.have, change.want) == (lack, FILE)
    hindrance = daemon().hindrance(observed)
    assert hindrance is not None
    assert "restart" in hindrance
    assert (f"-c {FILE}" in hindrance) == (lack is NOT_LOADED)
    assert daemon(command=("service", "babeld", "restart")).hindrance(observed) is None


def test_a_daemon_that_does_not_run_is_started_or_asked_for() -> None:
    assert daemon().hindrance(None) is None
    assert daemon().create() == (AwaitBabeld(SOCKET, FILE),)
    assert daemon(command=("rc", "x")).create() == (RestartBabeld(("rc", "x"), SOCKET, FILE),)
    assert daemon().delete() == ()


def test_a_daemon_is_read_from_its_row_and_renewed_with_its_file() -> None:
    row = DaemonRow(SOCKET, "babeld-1.12.1", "02:00", 7, (ConfigurationFile(FILE, True),))
    found = BabelDaemon.decode(row, NO_LINKS)
    assert found is not None
    assert found.key == daemon().key
    assert found.describe() == "babeld-1.12.1 at /run/babeld.sock"
    assert found.show("configuration") == FILE
    assert found.keeps().keys() == {Key("file", (FILE,))}
    assert daemon().renewed_by() == daemon().requires() == (Key("file", (FILE,)),)


def interface(options: tuple[tuple[str, str], ...] | None, version: str | None = None) -> BabelInterface:
    return BabelInterface("mesh0", SOCKET, options, version)


WIRED = (("type", "wired"), ("rxcost", "96"))


def test_options_are_compared_with_what_the_inventory_remembers() -> None:
    observed = BabelInterface.decode(InterfaceRow(SOCKET, "babeld-1.12.1", "mesh0", True), NO_LINKS)
    assert observed is not None
    assert interface(WIRED).changes(observed) == {}, "unknown counts as equal"
    assert observed.automatic()
    remembered = interface(WIRED).remember(None)
    assert remembered is not None
    ours = observed.recall(remembered)
    assert not ours.automatic()
    assert interface(tuple(reversed(WIRED))).changes(ours) == {}
    assert interface(()).changes(ours).keys() == {"options"}
    assert interface(()).replace_on == {"options"}


@pytest.mark.parametrize(("version", "flushed"), [("babeld-1.12.1", False), ("babeld-1.14", True), ("odd", False)])
def test_an_interface_is_flushed_where_that_is_safe_and_else_goes_with_the_daemon(version: str, flushed: bool) -> None:
    observed = interface(WIRED, version)
    assert observed.delete() == ((FlushBabelInterface(SOCKET, "mesh0"),) if flushed else ())
    assert observed.replaced_through() == (None if flushed else Key("babeld", (SOCKET,)))


@pytest.mark.parametrize(("up", "links", "there"), [(False, (), False), (False, ("mesh0",), True), (True, (), True)])
def test_what_is_left_of_an_interface_without_a_link_is_nothing_where_it_can_be_flushed(
    up: bool, links: tuple[str, ...], there: bool
) -> None:
    def seen(version: str) -> BabelInterface | None:
        return BabelInterface.decode(InterfaceRow(SOCKET, version, "mesh0", up), BabelContext(frozenset(links)))

    assert (seen("babeld-1.14") is not None) is there
    old = seen("babeld-1.12.1")
    assert old is not None
    assert ("attached" in interface(WIRED).changes(old)) is not there


@pytest.mark.parametrize(("configured", "differs"), [(True, False), (None, False), (False, True)])
def test_unknown_options_differ_only_where_babelds_own_configuration_is_seen_not_to_give_them(
    configured: bool | None, differs: bool
) -> None:
    row = InterfaceRow(SOCKET, "babeld-1.12.1", "mesh0", True, configured)
    observed = BabelInterface.decode(row, NO_LINKS)
    assert observed is not None
    assert ("options" in interface(WIRED).changes(observed)) is differs
    remembered = interface(WIRED).remember(observed)
    assert remembered is not None
    assert observed.recall(remembered).options == (None if configured else WIRED), "it passes over ours"


def test_an_interface_is_one_line() -> None:
    (request,) = interface(WIRED).create()
    assert isinstance(request, AddBabelInterface)
    assert request.command() == b"interface mesh0 type wired rxcost 96"
    assert interface(WIRED).describe() == "babel interface mesh0 type wired rxcost 96"


@pytest.mark.parametrize("word", ["", "a b", "a\nflush", 'a"', "a#", "a\\"])
def test_no_option_smuggles_a_second_word_or_line(word: str) -> None:
    with pytest.raises(ValueError, match="one word"):
        AddBabelInterface(SOCKET, "mesh0", (("type", word),)).command()


def test_an_announcement_is_waited_for_and_goes_with_its_route() -> None:
    route = Key("route", (10, "::/0", "2001:db8:1::/64", 1024))
    want = BabelAnnouncement("::/0", "2001:db8:1::/64", SOCKET, route, 300)
    observed = BabelAnnouncement.decode(XrouteRow(SOCKET, "::/0", "2001:db8:1::/64", 0), NO_LINKS)
    assert observed is not None
    assert observed.key == want.key
    assert (observed.requires(), observed.part_of(), observed.delete()) == ((), None, ())
    remembered = want.remember(None)
    assert remembered is not None
    assert observed.recall(remembered).part_of() == route
    assert want.changes(observed) == {}
    assert want.create() == (AwaitXroute(SOCKET, "::/0", "2001:db8:1::/64", 300),)


def test_the_configuration_that_an_operator_reads() -> None:
    from ipaddress import IPv6Network

    from intent.resources.babel_configuration import BabelConfiguration, ExitMetric

    exits = (
        ExitMetric(IPv6Network("2001:db8:9::/56"), 300),
        ExitMetric(IPv6Network("2001:db8:2::/48"), 512),
        ExitMetric(IPv6Network("2001:db8:1::/64"), 0),
    )
    prefixes = (IPv6Network("fd00:2::/32"), IPv6Network("fd00:1::/32"))
    rendered = BabelConfiguration(10, exits, prefixes).render()
    assert rendered == BabelConfiguration(10, exits[::-1], prefixes[::-1]).render()
    assert rendered.decode() == (Path(__file__).parent / "exit-node.conf").read_text()
