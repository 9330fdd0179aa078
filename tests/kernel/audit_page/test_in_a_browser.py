"""The page of an audit in a real Chromium: searched, sorted, without JavaScript, by keyboard, on a phone, large."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from reconciler.core.audit import Audit
from tests.example_audits import HOSTILE, fleet, hostile, one_node, small_fleet
from tests.kernel.audit_page.conftest import Look
from tests.kernel.status_page.test_in_a_browser import FAINT

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
ROWS = "#table tbody tr:visible"


def _names(page: Page) -> list[str]:
    return page.locator(f"{ROWS} th").all_text_contents()


def test_nothing_is_asked_for_and_nothing_complains(look: Look) -> None:
    seen = look(small_fleet())
    seen.page.locator("summary").first.click()
    seen.page.locator("#map a").first.hover()
    assert seen.asked == []
    assert seen.complaints == []


def test_the_search_leaves_the_rows_that_have_all_words(look: Look) -> None:
    page = look(small_fleet()).page
    expect(page.locator(ROWS)).to_have_count(12)
    page.get_by_role("searchbox").fill("MTU berlin")
    expect(page.locator(ROWS)).to_have_count(1)
    assert _names(page) == ["berlin-2"]
    expect(page.get_by_role("status")).to_have_text("1 of 12 nodes")
    expect(page.locator("#map a.dim")).to_have_count(11)
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.locator("#nothing")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(ROWS)).to_have_count(12)


def test_states_and_severities_filter_and_the_address_keeps_them(look: Look) -> None:
    seen = look(small_fleet())
    page = seen.page
    page.get_by_role("button", name="not all seen").click()
    page.get_by_role("button", name="differs").click()
    expect(page.locator(ROWS)).to_have_count(5)
    page.get_by_label("At least").select_option("major")
    expect(page.locator(ROWS)).to_have_count(2)
    assert _names(page) == ["dresden-1", "köln-1"]
    page.get_by_role("button", name="Node", exact=True).click()
    page.get_by_role("button", name="Node", exact=True).click()
    assert _names(page) == ["köln-1", "dresden-1"]
    fragment = page.url.removeprefix(seen.address)
    assert fragment == "#?state=unknown%2Cdiffers&severity=major&sort=-node"
    again = look(small_fleet(), fragment).page
    assert _names(again) == ["köln-1", "dresden-1"]
    expect(again.get_by_role("button", name="differs")).to_have_attribute("aria-pressed", "true")


def test_a_fragment_of_anybody_does_no_harm(look: Look) -> None:
    seen = look(small_fleet(), "#?text=%3Cimg src=x onerror=alert(1)%3E&sort=-%22]&state=x&severity=%22")
    expect(seen.page.locator("#nothing")).to_be_visible()
    assert seen.complaints == []
    assert seen.page.locator("img").count() == 0


def test_columns_sort_both_ways(look: Look) -> None:
    page = look(small_fleet()).page
    assert _names(page)[:3] == ["dresden-1", "mainz-1", "halle-1"]
    expect(page.locator("th[data-sort=state]")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("button", name="Node", exact=True).click()
    assert _names(page)[:3] == ["berlin-1", "berlin-2", "bremen-1"]
    page.get_by_role("button", name="Findings", exact=True).click()
    expect(page.locator("th[data-sort=findings]")).to_have_attribute("aria-sort", "descending")
    assert set(_names(page)[:2]) == {"dresden-1", "köln-1"}
    page.get_by_role("button", name="Links", exact=True).click()
    assert _names(page)[0] == "berlin-2"


def test_a_node_in_the_drawing_leads_to_its_row(look: Look) -> None:
    page = look(small_fleet()).page
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.locator("#nothing")).to_be_visible()
    node = page.get_by_role("link", name="dresden-1: differs, 2 findings, critical")
    node.locator(".hit").click()
    row = page.locator("#node-dresden-1")
    expect(row.locator("details")).to_have_attribute("open", "")
    expect(row).to_be_in_viewport()
    expect(row.locator(".findings li")).to_have_count(2)
    expect(row.locator("summary")).to_be_focused()
    row.locator("summary").click()
    node.locator(".hit").click()
    expect(row.locator("details")).to_have_attribute("open", "")


def test_a_rule_leads_to_the_nodes_that_it_found(look: Look) -> None:
    page = look(small_fleet()).page
    page.get_by_role("button", name="default-without-from").click()
    expect(page.locator(ROWS)).to_have_count(1)
    assert _names(page) == ["dresden-1"]


@pytest.mark.parametrize("audit", [one_node(), small_fleet()], ids=["node", "fleet"])
def test_without_javascript_all_can_be_read(look: Look, audit: Audit) -> None:
    seen = look(audit, java_script_enabled=False)
    page = seen.page
    expect(page.locator("#tools")).to_have_count(1 if len(audit.nodes) > 1 else 0)
    expect(page.locator("#tools:visible")).to_have_count(0)
    for details in page.locator("details").all():
        if details.get_attribute("open") is None:
            details.locator("summary").click()
    for finding in (one for node in audit.nodes for one in node.findings):
        expect(page.locator(".findings code", has_text=finding.subject).first).to_be_visible()
    assert seen.complaints == []
    assert seen.asked == []


def test_names_are_text_wherever_they_stand(look: Look) -> None:
    seen = look(hostile())
    page = seen.page
    page.get_by_role("button", name="Unfold all").click()
    page.get_by_role("searchbox").fill("onerror")
    expect(page.locator(ROWS)).to_have_count(2)
    page.locator(".rules button").click()
    page.locator("#map a .hit").first.click()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert page.locator("a[href^=javascript]").count() == 0
    # What cannot be seen is spelled out.
    expect(page.locator("h1")).to_have_text(re.compile(re.escape(HOSTILE[:40])))
    expect(page.locator("h1")).to_contain_text("\\u202e")
    assert seen.complaints == []
    assert seen.asked == []


def test_the_policy_stops_what_would_slip_through(look: Look) -> None:
    seen = look(one_node())
    seen.page.evaluate(
        """() => { const script = document.createElement('script'); script.textContent = 'window.ran = 1';
        document.body.append(script);
        const image = new Image(); image.src = 'http://[::1]:9/x'; document.body.append(image);
        document.body.insertAdjacentHTML('beforeend', '<p style="color: red">x</p>'); }"""
    )
    seen.page.wait_for_function("() => true")
    assert seen.page.evaluate("window.ran") is None
    assert seen.asked == []
    assert len([one for one in seen.complaints if "Content Security Policy" in one]) == 3


AUDITS = {"node": one_node(), "fleet": small_fleet(), "hostile": hostile()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("name", AUDITS)
def test_it_fits_and_can_be_read(look: Look, name: str, scheme: str, viewport: dict[str, int]) -> None:
    seen = look(AUDITS[name], color_scheme=scheme, viewport=viewport)
    for fold in ("closed", "open"):
        seen.page.evaluate(
            "(open) => document.querySelectorAll('details').forEach((e) => e.open = open)", fold == "open"
        )
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert [one for one in seen.page.evaluate(FAINT) if one[0].strip()] == []
    assert seen.complaints == []


def test_shapes_tell_states_apart_without_colour(look: Look) -> None:
    page = look(small_fleet()).page
    shapes = page.evaluate(
        """() => Object.fromEntries(['in-sync', 'differs', 'unknown', 'invalid'].map((kind) => {
        const shape = [...document.querySelectorAll(`#map a.${kind} > :is(circle:not(.exit, .hit), path, rect)`)][0];
        return [kind, shape.localName + (shape.getAttribute('d') || '').replace(/[^a-z]/g, '')]; }))"""
    )
    assert len(set(shapes.values())) == 4, shapes


def test_all_is_reached_by_keyboard(look: Look) -> None:
    page = look(small_fleet()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(document.activeElement.id || document.activeElement.textContent).trim()"))
        assert page.evaluate(
            "document.activeElement === document.body || document.activeElement.matches(':focus-visible')"
        )
    # The drawing is one stop; every node of the table has its own.
    assert page.evaluate("document.querySelectorAll('#map a[tabindex=\"0\"]').length") == 1
    assert {"text", "severity", "unfold", "default-without-from", "berlin-1", "leipzig-1"} <= set(reached)
    assert sum("nothing differs" in one for one in reached) >= 5


def test_arrows_walk_through_the_drawing(look: Look) -> None:
    page = look(small_fleet()).page
    page.locator("#map a[tabindex='0']").focus()
    met = set()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
        met.add(page.evaluate("document.activeElement.getAttribute('href')"))
    assert len(met) >= 3
    target = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("Enter")
    expect(page.locator(target.replace("ö", "\\f6 ")).locator("summary")).to_be_focused()


def test_a_screen_reader_finds_names_for_all(look: Look) -> None:
    page = look(small_fleet(), viewport=PHONE).page
    session = page.context.new_cdp_session(page)
    nodes = [one for one in session.send("Accessibility.getFullAXTree")["nodes"] if not one.get("ignored")]
    named = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes]
    roles = [role for role, _ in named]
    assert roles.count("main") == roles.count("banner") == roles.count("contentinfo") == 1
    assert roles.count("rowheader") >= 12
    assert {"Topology", "What was found", "Nodes"} <= {name for role, name in named if role == "region"}
    assert not [
        one for one in named if one[0] in ("link", "button", "DisclosureTriangle", "image", "searchbox") and not one[1]
    ]


def test_what_is_printed_is_unfolded_where_something_differs(look: Look) -> None:
    page = look(small_fleet()).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("tr:not([data-state=in-sync]) details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    assert page.pdf()[:5] == b"%PDF-"


def test_a_thousand_nodes(look: Look) -> None:
    audit = fleet(1000, 0.15)
    seen = look(audit, viewport=DESKTOP)
    page = seen.page
    expect(page.locator("#table tbody tr")).to_have_count(1000, timeout=60_000)
    expect(page.locator("#map a")).to_have_count(1000)
    page.get_by_role("searchbox").fill("leipzig-42")
    found = sum("leipzig-42" in (node.node, *(link.to for link in node.links)) for node in audit.nodes)
    expect(page.get_by_role("status")).to_have_text(f"{found} of 1,000 nodes", timeout=60_000)
    expect(page.locator(ROWS)).to_have_count(found)
    page.locator('#map a[href="#node-leipzig-42"] .hit').click()
    expect(page.locator("#node-leipzig-42 details")).to_have_attribute("open", "")
    assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP["width"]
    assert seen.complaints == []
    assert seen.asked == []
