"""The page of an audit as a file: complete in itself, bounded, and what its drawing says."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from reconciler.cli.audit_reports import rendered
from reconciler.cli.audit_reports.page.topology import Topology, topology
from reconciler.core.audit import Audit, ExitSeen, LinkSeen, NodeAudit, State
from tests.example_audits import MADE, fleet, hostile, in_sync, many_findings, one_node, small_fleet

REFERENCES = {"src", "href", "action", "formaction", "data", "poster", "srcset", "background", "ping"}
VOID = {"meta", "link", "br", "input"}


class Parsed(HTMLParser):
    """What a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.references: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.inside: list[str] = []
        self.wrong: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}
        self.references |= {value or "" for name, value in attrs if name in REFERENCES}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.inside.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.inside or self.inside.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] in ("script", "style"):
            self.text[self.inside[-1]] = self.text.get(self.inside[-1], "") + data


def _drawn(audit: Audit) -> Topology:
    found = topology(audit, {node.node: f"node-{node.node}" for node in audit.nodes})
    assert found is not None
    return found


@pytest.mark.parametrize("audit", [one_node(), in_sync(), small_fleet(), hostile(), Audit((), MADE, "1", "none")])
def test_all_that_it_needs_is_in_it(audit: Audit) -> None:
    page = rendered(audit, "html")
    parsed = Parsed(page)
    assert parsed.wrong == []
    assert parsed.inside == []
    assert all(one.startswith(("#", "data:,")) for one in parsed.references), parsed.references
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {one[1:] for one in parsed.references if one.startswith("#")} <= set(parsed.ids)
    assert not {name for name in parsed.attributes if name.startswith("on") or name == "style"}
    for part in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(parsed.text[part].encode()).digest()).decode()
        assert f"{part}-src 'sha256-{digest}'" in page


def test_a_thousand_nodes_are_below_three_megabytes() -> None:
    assert len(rendered(fleet(1000, 0.15), "html").encode()) < 3_000_000


def test_ten_thousand_findings_are_counted() -> None:
    page = rendered(many_findings(10_000), "html")
    assert page.count('<li><span class="pill') <= 102
    assert "… and 9,900 findings more." in page
    assert "10,000 major" in page
    every = fleet(200)
    nodes = tuple(replace(node, findings=many_findings(500).nodes[0].findings) for node in every.nodes)
    assert len(rendered(replace(every, nodes=nodes), "html").encode()) < 4_000_000


def test_very_many_links_and_texts_without_end_are_cut() -> None:
    node = replace(
        one_node().nodes[0],
        links=tuple(LinkSeen(f"peer-{n}", f"wg{n}", True) for n in range(5000)),
        exits=tuple(ExitSeen(f"2001:db8:{n:x}::/48", True) for n in range(5000)),
        problem="x" * 1_000_000,
    )
    page = rendered(Audit((node,), MADE, "1"), "html")
    assert len(page) < 200_000
    assert "Not drawn: 4,960 nodes that this audit knows nothing of." in page


def test_a_link_is_as_the_worse_of_its_sides_says() -> None:
    def node(name: str, *links: LinkSeen) -> NodeAudit:
        return NodeAudit(name, f"{name}.yaml", links=links)

    audit = Audit(
        (
            node("a", LinkSeen("b", "x", True), LinkSeen("c", "x", None), LinkSeen("d", "x", True)),
            node("b", LinkSeen("a", "x", False)),
            node("c", LinkSeen("a", "x", None)),
            node("d", LinkSeen("a", "x", None), LinkSeen("d", "x", True)),
        ),
        MADE,
        "1",
        "f",
    )
    drawn = _drawn(audit)
    assert [line.words for line in drawn.broken] == ["a – b: does not work"]
    assert drawn.unknown.count("M") == 1
    assert drawn.working.count("M") == 1


def test_exits_and_states_are_said_in_words_and_shapes() -> None:
    drawn = {node.label: node for node in _drawn(small_fleet()).nodes}
    assert drawn["dresden-1"].kind == "differs"
    assert drawn["dresden-1"].severity == "critical"
    assert drawn["halle-1"].kind == "unknown"
    assert drawn["mainz-1"].kind == "invalid"
    assert drawn["berlin-2"].words == "berlin-2: differs, 1 finding, minor, 1 link not working"
    exits = [node for node in drawn.values() if node.exit]
    assert exits
    assert all("exit" in node.words for node in exits)


def test_what_links_lead_to_outside_of_the_audit_is_drawn_as_such() -> None:
    drawn = {node.label: node for node in _drawn(one_node()).nodes}
    assert drawn["hamburg-3"].kind == "outside"
    assert drawn["hamburg-3"].id == ""


def test_names_that_are_written_cover_neither_nodes_nor_each_other() -> None:
    for audit in (small_fleet(), fleet(50, 0.3), fleet(300, 0.3)):
        drawn = _drawn(audit)
        boxes = []
        for node in drawn.nodes:
            boxes.append((node.x - 3, node.y - 3, node.x + 3, node.y + 3))
            if not node.quiet:
                x, y, anchor = node.label_at
                width = len(node.label) * 6.5
                left = {"start": x, "end": x - width, "middle": x - width / 2}[anchor]
                boxes.append((left, y - 9, left + width, y + 2))
        boxes.sort()
        for number, one in enumerate(boxes):
            for other in boxes[number + 1 :]:
                if other[0] >= one[2]:
                    break
                assert other[1] >= one[3] or other[3] <= one[1] or _near(one, other)
        assert all(box[0] >= 0 and box[2] <= drawn.width for box in boxes)


def _near(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether both are nodes, which may be near each other in a dense part."""
    return one[2] - one[0] == pytest.approx(6) and other[2] - other[0] == pytest.approx(6)


def test_in_a_small_fleet_nearly_all_names_are_written() -> None:
    drawn = _drawn(small_fleet())
    assert sum(not node.quiet for node in drawn.nodes) == 12
    large = _drawn(fleet(400, 0.2))
    assert all(node.quiet for node in large.nodes if node.kind == "in-sync")


def test_of_too_many_nodes_the_worst_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.cli.audit_reports.page.topology.MOST_NODES", 100)
    audit = fleet(200)
    nodes = (*audit.nodes[:-1], replace(audit.nodes[-1], state=State.INVALID, problem="x"))
    drawn = _drawn(replace(audit, nodes=nodes))
    assert sum(node.kind != "outside" for node in drawn.nodes) == 100
    assert nodes[-1].node in {node.label for node in drawn.nodes}
    assert drawn.left_out.startswith("Not drawn: 100 nodes in better state")


def test_rows_have_the_same_ids_in_each_audit() -> None:
    page = rendered(small_fleet(), "html")
    ids = re.findall(r'<tr role="row" id="([^"]+)"', page)
    assert "node-berlin-2" in ids
    # What is no plain name has a digest.
    assert any(re.fullmatch(r"node-[0-9a-f]{16}", one) for one in ids)
