"""What every format has in common, and text and JSON: what is said, in which order, and nothing that harms."""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.cli.audit_reports import formats, rendered
from reconciler.core.audit import Audit, NodeAudit, Severity, State
from reconciler.core.errors import StellwerkError
from tests.example_audits import FOREIGN, MADE, fleet, hostile, in_sync, many_findings, one_node, small_fleet

SCHEMA = Path(__file__).parents[3] / "schemas" / "audit.schema.json"
AUDITS = {
    "node": one_node(),
    "in-sync": in_sync(),
    "fleet": small_fleet(),
    "hostile": hostile(),
    "large": fleet(100, 0.3),
    "empty": Audit((), MADE, "0.1.0", "nobody"),
}


def test_formats_are_found_and_asking_for_them_loads_none() -> None:
    assert formats() == ("html", "json", "junit", "markdown", "sarif", "text")


def test_a_format_that_does_not_exist() -> None:
    with pytest.raises(StellwerkError, match=r"no format `pdf` .* html, json, junit, markdown, sarif, text"):
        rendered(one_node(), "pdf")


@pytest.mark.parametrize("format", formats())
@pytest.mark.parametrize("name", AUDITS)
def test_every_format_tells_every_audit(format: str, name: str) -> None:
    text = rendered(AUDITS[name], format)
    assert text.endswith("\n")
    text.encode()
    shown = text.replace("\n", "")
    assert shown.isprintable() or format == "html", "nothing invisible, nothing that moves a cursor"
    assert not set("\x00\x1b\u202e") & set(text)


@pytest.mark.parametrize("format", formats())
def test_the_order_in_which_things_were_found_does_not_matter(format: str) -> None:
    audit = small_fleet()
    chance = random.Random(1)
    nodes = [replace(node, findings=tuple(chance.sample(node.findings, len(node.findings)))) for node in audit.nodes]
    chance.shuffle(nodes)
    assert rendered(replace(audit, nodes=tuple(nodes)), format) == rendered(audit, format)


def test_text_of_a_node_is_the_worst_first() -> None:
    assert (
        rendered(one_node(), "text")
        == """\
berlin-7: differs, 1 critical, 2 major, 1 minor, 1 note
  nodes/berlin-7.yaml against live, as of 2026-11-24 05:59 UTC
 !! route default via fe80::1 dev eth0 table 10 proto static
       # critical: a default without `from` in the mesh's table: traffic of the whole mesh would leave through this \
node's uplink (nodes/berlin-7.yaml:6:3)
       # delete it, or say `exit` in the node file if the node is to be an exit
  ! net.ipv6.conf.all.forwarding = 0  # major: the node passes nothing on for others (nodes/berlin-7.yaml); \
`stellwerk apply` sets it
  ! route default from 2001:db8:42::/56 via fd00:aa::1 dev gre-provider
       # major: is not there, and `exit` asks for it (nodes/berlin-7.yaml:31:7)
       # `stellwerk plan` shows what would be done
  ~ link wg-mesh mtu 1420  # minor: is to have mtu 1380 (nodes/berlin-7.yaml:12:5); `stellwerk apply` sets it
  · rule from fd12:3456::/48 lookup 52  # note: nobody asked for it, and it is left alone
  left alone, since nobody asked for it: 3 in address, 2 in link, 14 in route

1 node: 1 differs; findings: 1 critical, 2 major, 1 minor, 1 note
"""
    )


def test_text_of_a_fleet_tells_of_what_is_not_in_sync_alone() -> None:
    text = rendered(small_fleet(), "text")
    headings = [line.partition(":")[0] for line in text.splitlines() if line and not line.startswith(" ")]
    assert headings == ["dresden-1", "mainz-1", "halle-1", "rostock-1", "köln-1", "berlin-2", "example.freifunk"]
    assert text.splitlines()[-1] == (
        "example.freifunk: 12 nodes: 1 intent invalid, 2 not all seen, 3 differs, 6 in sync; "
        "findings: 1 critical, 2 major, 2 minor, 1 note"
    )


def test_text_is_coloured_only_where_it_is_asked_for() -> None:
    assert "\x1b[" not in rendered(one_node(), "text")
    coloured = rendered(one_node(), "text", colour=True)
    assert "\x1b[31m\x1b[1m!!" in coloured
    assert "\x1b[" not in rendered(one_node(), "json", colour=True)


def test_names_cannot_colour_a_terminal() -> None:
    coloured = rendered(hostile(), "text", colour=True)
    assert "\x1b[2J" not in coloured
    assert "\\x1b[2J" in coloured


def test_very_much_is_counted() -> None:
    text = rendered(many_findings(10_000), "text")
    assert "… and 9,900 more; `--format json` has all" in text
    assert len(text.splitlines()) < 120
    assert len(json.loads(rendered(many_findings(10_000), "json"))["nodes"][0]["findings"]) == 10_000


@pytest.mark.parametrize("name", AUDITS)
def test_json_is_as_its_schema_says(name: str) -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(rendered(AUDITS[name], "json")))


def test_json_says_all() -> None:
    document = json.loads(rendered(one_node(), "json"))
    assert document["stellwerk_audit"] == 1
    assert document["fleet"] is None
    assert document["state"] == "differs"
    assert document["counts"]["findings"] == {"critical": 1, "major": 2, "minor": 1, "note": 1}
    node = document["nodes"][0]
    assert node["findings"][0] == {
        "rule": "default-without-from",
        "severity": "critical",
        "subject": "route default via fe80::1 dev eth0 table 10 proto static",
        "message": "a default without `from` in the mesh's table: traffic of the whole mesh would leave through this "
        "node's uplink",
        "advice": "delete it, or say `exit` in the node file if the node is to be an exit",
        "place": {"file": "nodes/berlin-7.yaml", "line": 6, "column": 3},
    }
    assert node["findings"][-1]["place"] is None
    assert node["unmanaged"] == {"address": 3, "link": 2, "route": 14}
    assert node["links"][1] == {"to": "leipzig-1", "interface": "wg-77aa01", "works": False}


def test_the_schema_knows_every_field_severity_and_state() -> None:
    node = json.loads(SCHEMA.read_text())["$defs"]
    assert node["state"]["enum"] == [state.value for state in State]
    assert node["severity"]["enum"] == [severity.value for severity in Severity]
    assert set(node["node"]["properties"]) == set(NodeAudit.__dataclass_fields__)


def test_nodes_are_in_the_order_of_their_numbers() -> None:
    nodes = json.loads(rendered(fleet(120), "json"))["nodes"]
    names = [one["node"] for one in nodes if one["node"].startswith("berlin")]
    assert names == [f"berlin-{number}" for number in range(1, 13)]


def test_no_format_but_the_page_needs_jinja2(monkeypatch: pytest.MonkeyPatch) -> None:
    page = importlib.import_module("reconciler.cli.audit_reports.page")
    for found in pkgutil.iter_modules(page.__path__):
        monkeypatch.delitem(__import__("sys").modules, f"{page.__name__}.{found.name}", raising=False)
        monkeypatch.delattr(page, found.name, raising=False)
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(StellwerkError, match=r"needs Jinja2, which is not installed; install `stellwerk\[audit\]`"):
        rendered(one_node(), "html")
    for format in formats():
        if format != "html":
            rendered(one_node(), format)


def test_notes_alone_leave_a_node_in_sync() -> None:
    node = replace(in_sync().nodes[0], findings=(FOREIGN,))
    text = rendered(Audit((node,), MADE, "0.1.0"), "text")
    assert text.startswith("berlin-7: in sync, 1 note\n")
