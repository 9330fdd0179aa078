"""The page in a real Chromium: seen at first, kept up to date, used by keyboard, on a phone, in the dark."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from reconciler.services.statistics.page import StatusPage
from tests.figures import KNOWN, LINKS, NEIGHBOURS, NOON, STATUS
from tests.kernel.status_page.conftest import Looked, Served, settings

Look = Callable[..., Looked]
PHONE = {"width": 360, "height": 740}
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_without_javascript_all_is_there_at_first(look: Look) -> None:
    seen = look(java_script_enabled=False, live=False)
    expect(seen.page.get_by_role("heading", level=1)).to_have_text("exit-berlin-7")
    expect(seen.page.locator("#neighbours tbody tr")).to_have_count(3)
    assert "Load it again" in (seen.page.locator("noscript").text_content() or "")
    expect(seen.page.locator("#connection")).to_contain_text("As of")
    assert seen.complaints == []


def test_a_change_is_seen_within_a_second_and_nobody_else_is_asked(look: Look, served: Served) -> None:
    seen = look()
    begun = time.monotonic()
    served.figures.know(KNOWN._replace(neighbours=NEIGHBOURS[:1]))
    expect(seen.page.locator("#neighbours tbody tr")).to_have_count(1)
    # A second after the drawing before, and the time of a loaded machine.
    assert time.monotonic() - begun < 3.0
    expect(seen.page.locator("#glance")).to_contain_text("Yes, one")
    assert seen.complaints == []
    assert {url.removeprefix(served.page.url) for url in seen.asked} <= {
        "",
        "page.css",
        "page.js",
        "icon.svg",
        "events",
    }


def test_names_of_the_network_stay_text_in_updates(look: Look, served: Served) -> None:
    seen = look()
    served.figures.know(KNOWN._replace(neighbours=(NEIGHBOURS[0]._replace(address=HOSTILE),)))
    expect(seen.page.locator("#neighbours tbody th")).to_have_text([f"{HOSTILE} on mesh0"])
    assert seen.page.locator("#neighbours img").count() == 0
    assert seen.complaints == []


def test_an_update_leaves_scrolling_and_open_details(look: Look, served: Served) -> None:
    page = look(viewport=PHONE, reduced_motion="reduce").page
    page.locator("#links summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#links details")).to_have_attribute("open", "")
    before = page.evaluate("scrollY")
    assert before > 0
    served.figures.set(links=LINKS | {"eth9": LINKS["wlan0"]._replace(name="eth9")})
    expect(page.locator("#links details")).to_contain_text("eth9")
    assert page.evaluate("scrollY") == before
    expect(page.locator("#links details")).to_have_attribute("open", "")


def test_focus_stays_where_it_is(look: Look, served: Served) -> None:
    page = look().page
    page.locator("#state summary").focus()
    page.keyboard.press("Enter")
    served.figures.set(status=STATUS | {"rounds": 312})
    expect(page.locator("#state dl")).to_contain_text("312")
    assert page.evaluate("document.activeElement.textContent").startswith("Which version")
    expect(page.locator("#state details")).to_have_attribute("open", "")


def test_a_page_that_is_cut_says_so_and_comes_back(look: Look, served: Served) -> None:
    page = look().page
    address, port = served.address
    served.page.close()
    expect(page.locator("#connection")).to_contain_text("Not connected")
    served.figures.settings = settings(address, port)
    served.figures.set(status=STATUS | {"sync": {"state": "synced", "since": NOON, "reason": ""}, "objects": []})
    served.page = StatusPage(served.figures)
    served.page.start()
    expect(page.locator("#connection")).to_contain_text("Live", timeout=30_000)
    expect(page.locator("#state")).to_contain_text("Nothing differs")
    expect(page).to_have_title("exit-berlin-7: synced, degraded")


def test_everything_is_reached_by_keyboard(look: Look) -> None:
    page = look().page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    box = page.locator(".skip").bounding_box()
    assert box is not None
    assert box["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.localName"))
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["#state", "#state", "#neighbours", "#ways-out", "summary", "summary"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desktop"])
def test_it_fits_and_can_be_read(look: Look, scheme: str, viewport: dict[str, int]) -> None:
    seen = look(color_scheme=scheme, viewport=viewport)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    too_faint = seen.page.evaluate(FAINT)
    assert too_faint == []
    assert seen.complaints == []


FAINT = """() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(channel);
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim()) || e.localName === 'noscript') continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push([e.textContent.slice(0, 30), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""
"""Texts with less contrast than 4.5 to 1 (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desktop"])
def test_a_screen_reader_finds_landmarks_tables_and_words_for_plots(look: Look, viewport: dict[str, int]) -> None:
    page = look(viewport=viewport).page
    session = page.context.new_cdp_session(page)
    nodes = [one for one in session.send("Accessibility.getFullAXTree")["nodes"] if not one.get("ignored")]
    named = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes]
    roles = [role for role, _ in named]
    assert roles.count("main") == roles.count("banner") == roles.count("contentinfo") == 1
    assert [name for role, name in named if role == "table"][:1] == [
        "What differs from the node file, and is to be mended: the plan"
    ]
    assert roles.count("table") >= 6
    assert roles.count("rowheader") >= 12
    assert "cell" in roles
    assert roles.count("columnheader") >= 20
    plots = [name for role, name in named if role == "image"]
    assert len(plots) == 6
    assert plots[0] == "Cost over the last hour: cost 96"
    regions = {name for role, name in named if role == "region"}
    assert {"Neighbours babel", "At a glance", "Ways to the Internet exits, default routes"} <= regions
    assert not [one for one in named if one[0] in ("link", "button", "DisclosureTriangle", "image") and not one[1]]


def test_no_motion_for_who_wants_none(look: Look) -> None:
    page = look(reduced_motion="reduce").page
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_updates_do_not_chatter(look: Look, served: Served) -> None:
    page = look().page
    page.evaluate(
        """() => { window.said = 0; for (const e of document.querySelectorAll('[aria-live], [role=status]'))
        new MutationObserver(() => window.said++).observe(
          e, {subtree: true, childList: true, characterData: true}); }"""
    )
    system = served.figures.system()
    for load in (5.5, 6.5):
        served.figures.set(system=system._replace(load=(load, 0.0, 0.0)))
        expect(page.locator("#system")).to_contain_text(re.compile(str(load)))
    assert page.evaluate("window.said") == 0
