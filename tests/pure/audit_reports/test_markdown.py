"""Markdown for pull requests, as a parser of CommonMark and of GitHub's tables and links reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from reconciler.cli.audit_reports import rendered
from reconciler.cli.audit_reports.formats.markdown import code, escaped
from tests.example_audits import HOSTILE, fleet, hostile, many_findings, one_node, small_fleet

HARMFUL = (
    HOSTILE,
    "a | b",
    "`",
    "``` x",
    "unpaired ` and ``` pairs `` of",
    "[x](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "http://example.org www.example.org a@example.org",
    "<b>bold</b> &lt; **bold** _it_ ~~no~~ # no",
    "@everybody #12 !3 $x$",
    "\\`x\\`",
    "line\n# heading\n- list",
)


def _tags(text: str) -> set[str]:
    """Return the names of the tags that a whole report becomes."""
    found = set()
    for token in MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(text):
        for one in (token, *(token.children or ())):
            assert one.type not in ("html_block", "html_inline", "link_open", "image"), one.content
            found.add(one.tag)
    return found


@pytest.mark.parametrize("text", HARMFUL)
def test_text_is_never_markup(text: str) -> None:
    assert _tags(f"x {escaped(text)} y") <= {"", "p", "code"}
    tokens = MarkdownIt().parse(f"x {code(text)} y")[1].children or []
    assert [token.type for token in tokens] == ["text", "code_inline", "text"]


def test_code_between_backticks_stays_code() -> None:
    assert escaped("run `wg show` as *root*") == "run `wg show` as \\*root\\*"


def test_nobody_is_called() -> None:
    assert escaped("ask @all in #1") == "ask \\@&#8203;all in \\#&#8203;1"


def test_a_report_is_headings_and_lists() -> None:
    for audit in (one_node(), small_fleet(), hostile()):
        assert _tags(rendered(audit, "markdown")) <= {"", "h2", "h3", "p", "ul", "li", "strong", "code", "br"}


def test_a_fleet_tells_of_what_is_not_in_sync() -> None:
    lines = rendered(small_fleet(), "markdown").splitlines()
    headings = [line.split("`")[1] for line in lines if line.startswith("### ")]
    assert headings == ["dresden-1", "mainz-1", "halle-1", "rostock-1", "köln-1", "berlin-2"]
    assert lines[2] == "12 nodes: 1 ❌ intent invalid, 2 ❔ not all seen, 3 ⚠️ differs, 6 ✅ in sync  "
    assert (
        "- 🟡 **minor** `link wg-mesh mtu 1420`: is to have mtu 1380 — `stellwerk apply` sets it "
        "(`rendered/berlin-2.yaml:12:5`)"
    ) in lines


def test_it_fits_into_a_comment() -> None:
    large = rendered(fleet(2000, 0.9), "markdown")
    assert len(large) < 65_536
    assert "nodes more that are not in sync" in large
    assert "… and 9,980 more" in rendered(many_findings(10_000), "markdown")
    huge = replace(hostile(), nodes=tuple(replace(hostile().nodes[0], node=f"{n}" * 400) for n in range(200)))
    assert len(rendered(huge, "markdown")) < 65_536
