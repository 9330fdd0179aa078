"""What the page says in every state of a node, and that nothing of the network becomes more than text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from reconciler.backends.babel_table import Neighbour
from reconciler.core.errors import UnreachableError
from reconciler.services.statistics.page.drawing import PARTS, draw
from reconciler.services.statistics.page.history import History
from reconciler.services.statistics.page.view import MOST_NEIGHBOURS, view
from reconciler.services.statistics.ways_out import Leaving
from tests.figures import KNOWN, LINKS, NEIGHBOURS, NOON, PEERS, SETTINGS, STATUS, FakeFigures

VOID = {"meta", "link", "br"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202eevil\x1b[2J{{ 7*7 }}"


class Checked(HTMLParser):
    """Reads HTML strictly: all that is opened is closed in its order, and no id is there twice."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        self.tags.append((tag, dict(attrs)))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Checked:
    found = Checked()
    found.feed(html)
    found.close()
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    return found


def page(figures: FakeFigures, history: History | None = None) -> str:
    return draw(view(figures, Leaving(figures), history or History(), 4000.0, NOON)).page


def words(figures: FakeFigures) -> str:
    return re.sub(r"\s+", " ", "".join(read(page(figures)).text))


def status(**changes: Any) -> dict[str, Any]:
    return STATUS | changes


def test_the_page_is_one_well_formed_document_with_landmarks() -> None:
    found = read(page(FakeFigures()))
    tags = [tag for tag, _ in found.tags]
    for once in ("h1", "main", "header", "footer", "title"):
        assert tags.count(once) == 1, once
    assert set(PARTS) < set(found.ids)
    assert tags.count("table") == tags.count("caption") > 4
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in found.tags if tag == "th")
    labelled = [attributes["aria-labelledby"] for tag, attributes in found.tags if tag == "section"]
    assert set(labelled) <= set(found.ids)
    targets = {str(attributes["href"])[1:] for tag, attributes in found.tags if tag == "a"}
    assert targets <= set(found.ids)


def test_what_a_node_is_and_should_be_is_said() -> None:
    said = words(FakeFigures())
    for expected in (
        *("exit-berlin-7", "02000000000a", "berlin", "noc@example.org"),
        *("1 to create, 1 in conflict", "No: 1 thing does not", "2 of 3", "Here, by 1 of 2 exits"),
        *("route default from 2001:db8:43::/56", "it is missing", "in conflict", "In quarantine", "0bad0bad0bad"),
        *(
            "fe80::b on mesh0",
            "unreachable",
            "16/16",
            "12.3 ms",
            "2001:db8:77::/48",
            "fe80::b on mesh0, router",
            "Where traffic leaves",
            "this node",
        ),
        *("TrMvSoP4…", "17 s ago", "roamed", "never connected", "70 GB", "gre-provider", "tunnel"),
        *("a default route without `from` is announced", "→ it is refused", "24 h", "67.1 MB", "babeld-1.12.1"),
    ):
        assert expected in said, (expected, said)
    assert PEERS[0].public_key not in said


def test_ways_out_are_those_that_all_the_rest_tells_of() -> None:
    figures = FakeFigures()
    ways = Leaving(figures).now()
    assert ways is not None
    shown = view(figures, Leaving(figures), History(), 4000.0, NOON).ways
    assert {one.way for one in shown} == set(ways.ways)
    # Of two routes from that prefix one is in use.
    assert [one.others for one in shown if one.way.source == "2001:db8:77::/48"] == [1]
    figures = FakeFigures(status=None)
    assert "Is there a way to the Internet? ✓ Yes, through this node" in words(figures)
    figures.know(KNOWN._replace(xroutes=()))
    assert "Is there a way to the Internet? ✓ Yes, through another node" in words(figures)
    figures.know(KNOWN._replace(xroutes=(), defaults=KNOWN.defaults[1:]))
    assert "Is there a way to the Internet? ✗ None is known" in words(figures)


def test_a_healthy_node() -> None:
    fine = status(
        sync={"state": "synced", "since": NOON, "reason": "in sync"},
        health={"state": "healthy", "since": NOON, "reasons": []},
        objects=[],
        offenders=[],
        offers=STATUS["offers"][:1],
    )
    figures = FakeFigures(status=fine)
    figures.know(KNOWN._replace(neighbours=NEIGHBOURS[:1]))
    said = words(figures)
    assert "Is it what its file says? ✓ Yes synced" in said
    assert "Does all of it work? ✓ Yes healthy" in said
    assert "Are its neighbours there? ✓ Yes, one" in said
    assert "Yes, through this node" in said
    assert "Nothing differs from the node file" in said
    assert "✗" not in said.replace("✗ failed", "")


def test_a_trial_a_suspension_and_watching_only_are_said_first() -> None:
    trial = {"digest": "ab" * 32, "since": NOON, "seconds_left": 42.5, "confirmed_by": "hand"}
    said = words(FakeFigures(status=status(trial=trial)))
    assert "A change is on trial (abababababab)" in said
    assert "undone in 42 s unless somebody says stellwerk confirm" in said
    mode = {"mode": "suspended", "reason": "a new antenna", "since": NOON, "until": None}
    assert "until stellwerk resume: a new antenna" in words(FakeFigures(status=status(mode=mode)))
    assert "Only watched" in words(FakeFigures(status=status(mode={"mode": "report"})))


def test_without_a_daemon_the_rest_is_said() -> None:
    figures = FakeFigures(status=None)
    said, found = words(figures), read(page(figures))
    assert "No daemon of Stellwerk keeps this node" in said
    assert "fe80::b on mesh0" in said
    hidden = {attributes["id"] for tag, attributes in found.tags if tag == "section" and "hidden" in attributes}
    assert hidden == {"state", "offenders", "recent"}


def test_without_babeld_there_are_no_old_numbers() -> None:
    figures = FakeFigures()
    figures.know(None, "babeld does not answer at /run/babeld.sock")
    said = words(figures)
    assert "Nothing is known of the mesh now: babeld does not answer at /run/babeld.sock" in said
    assert "fe80::b on mesh0" not in said
    assert "neighbours there? ✗ Not known" in said


def test_a_node_without_a_mesh_and_without_anything() -> None:
    figures = FakeFigures(
        replace(SETTINGS, wireguard=(), tunnels=(), mesh_interfaces=()),
        babel=None,
        status=None,
        peers=(),
        links={},
        addresses={},
    )
    assert "exit-berlin-7" in words(figures)


@pytest.mark.parametrize("name", ["babel", "status", "links", "addresses", "peers", "system"])
def test_what_cannot_be_had_hides_nothing_else(name: str) -> None:
    figures = FakeFigures()
    figures.set(**{name: UnreachableError("the kernel says <no>")})
    said = words(figures)
    assert "These figures cannot be had now: the kernel says <no>" in said
    assert "exit-berlin-7" in said


def everywhere(value: Any) -> Any:
    """Return the value with hostile text in the place of all texts that do not decide what is drawn."""
    if isinstance(value, dict):
        kept = ("state", "mode", "kind", "confirmed_by")
        return {key: one if key in kept else everywhere(one) for key, one in value.items()}
    if isinstance(value, list):
        return [everywhere(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


def test_names_of_the_network_are_text_and_nothing_else() -> None:
    figures = FakeFigures(
        replace(SETTINGS, node=HOSTILE, wireguard=(HOSTILE,)),
        status=everywhere(STATUS) | {"notes": [HOSTILE]},
        peers=tuple(one._replace(interface=HOSTILE, endpoint=HOSTILE, public_key=HOSTILE) for one in PEERS),
        links={HOSTILE: LINKS["mesh0"]._replace(name=HOSTILE, kind=HOSTILE)},
        addresses={HOSTILE: (HOSTILE,)},
    )
    figures.node_id = HOSTILE
    figures.know(
        KNOWN._replace(
            version=HOSTILE,
            router_id=HOSTILE,
            neighbours=tuple(one._replace(address=HOSTILE, interface=HOSTILE) for one in NEIGHBOURS),
            defaults=tuple(one._replace(via=HOSTILE, interface=HOSTILE, router_id=HOSTILE) for one in KNOWN.defaults),
        )
    )
    html = page(figures)
    found = read(html)
    tags = [tag for tag, _ in found.tags]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "\\u202eevil\\x1b[2J{{ 7*7 }}" in "".join(found.text)
    no_handlers(found)


def no_handlers(found: Checked) -> None:
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        assert tag != "style"
        for name in ("href", "src"):
            assert re.fullmatch(r"#[a-z-]+|/[a-z]+\.[a-z]+", str(attributes.get(name, "#x"))), (tag, attributes)


def test_there_is_no_script_and_no_style_in_the_document() -> None:
    found = read(page(FakeFigures()))
    no_handlers(found)
    assert [attributes for tag, attributes in found.tags if tag == "script"] == [{"src": "/page.js", "defer": None}]


def test_five_hundred_neighbours_make_a_page_of_bounded_size() -> None:
    many = [Neighbour(f"fe80::{n:x}", "mesh0", (n * 7919) & 0xFFFF, 0, 96, 96, 96 + n % 50, 1.5, 0) for n in range(500)]
    figures, history = FakeFigures(), History()
    figures.know(KNOWN._replace(neighbours=tuple(many)))
    for number in range(180):
        shaken = [
            one._replace(cost=one.cost + number * 17 % 90, reach=(number * 31 + one.cost) & 0xFFFF) for one in many
        ]
        history.take(400.0 + number * 20, shaken, LINKS)
    html = page(figures, history)
    said = "".join(read(html).text)
    assert html.count('data-label="Neighbour"') == MOST_NEIGHBOURS
    assert "400 more, of higher cost" in said
    assert len(html) < 500_000


def test_a_text_without_end_is_cut() -> None:
    figures = FakeFigures(status=status(notes=["x" * 100_000, "\n".join(["line"] * 10_000)]))
    assert len(page(figures)) < 60_000
