"""``stellwerk render``: what is printed, written, removed, and left alone."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from intent.loading import load
from tests.fleets import node_name, node_text
from tests.pure.fleet_cli.conftest import NODES, Run

ONE, OTHER = node_name(1), node_name(2)


def documents(fleet: Path) -> dict[str, str]:
    """Return the names and texts of what is in rendered/."""
    folder = fleet / "rendered"
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


def add(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def test_a_node_is_printed_and_nothing_written(fleet: Path, run: Run) -> None:
    said = run("render", ONE)
    assert said.code == 0
    assert f"\nnode: {ONE}\n" in said.out
    assert documents(fleet) == {}


def test_several_are_documents_of_one_stream(fleet: Path, run: Run) -> None:
    one, other, both = run("render", ONE), run("render", OTHER), run("render", ONE, OTHER)
    assert both.out == f"{one.out}---\n{other.out}"


def test_all_are_written_once_and_each_is_a_node_file(fleet: Path, run: Run) -> None:
    said = run("render")
    assert (said.code, said.out.splitlines()[-1]) == (0, f"{NODES} written or removed, 0 unchanged")
    found = documents(fleet)
    assert len(found) == NODES
    assert found[f"{ONE}.yaml"] == run("render", ONE).out
    assert load(str(fleet / "rendered" / f"{ONE}.yaml")).name == ONE
    times = {path: path.stat().st_mtime_ns for path in (fleet / "rendered").iterdir()}
    assert run("render").out == f"0 written or removed, {NODES} unchanged\n"
    assert {path: path.stat().st_mtime_ns for path in (fleet / "rendered").iterdir()} == times


def test_only_what_changes_is_written_and_said(fleet: Path, run: Run) -> None:
    run("render")
    before = documents(fleet)
    add(fleet / "nodes" / f"{ONE}.yaml", "stats: {about: {site: elsewhere}}\n")
    (fleet / "nodes" / "new.yaml").write_text(node_text(NODES))
    (fleet / "nodes" / f"{node_name(3)}.yaml").unlink()
    fleet_file = fleet / "fleet.yaml"
    fleet_file.write_text(fleet_file.read_text().replace(f"{node_name(3)}, ", ""))
    said = run("render")
    assert said.out.split() == [
        *("new", "rendered/new.yaml", "changed", f"rendered/{ONE}.yaml", "removed", f"rendered/{node_name(3)}.yaml"),
        *f"3 written or removed, {NODES - 2} unchanged".split(),
    ]
    after = documents(fleet)
    assert before.keys() ^ after.keys() == {"new.yaml", f"{node_name(3)}.yaml"}
    assert "site: elsewhere\n" in after[f"{ONE}.yaml"]
    assert after[f"{OTHER}.yaml"] == before[f"{OTHER}.yaml"]


def test_a_change_for_all_reaches_all(fleet: Path, run: Run) -> None:
    run("render")
    add(fleet / "roles" / "reporting.yaml", "  prometheus: {listen: '[::1]:9742'}\n")
    assert run("render").out.splitlines()[-1] == f"{NODES} written or removed, 0 unchanged"


def test_a_change_of_a_neighbour_that_concerns_a_node_reaches_it(fleet: Path, run: Run) -> None:
    """The hub's document has the public key of the other end of each of its links."""
    run("render")
    end = fleet / "nodes" / f"{node_name(10)}.yaml"
    end.write_text(end.read_text().replace("2001:db8::b", "2001:db8::bb"))
    said = run("render")
    assert said.out.splitlines()[:-1] == [f"changed    rendered/{node_name(0)}.yaml"]


def test_a_change_of_what_a_neighbour_is_made_of_reaches_it_too(fleet: Path, run: Run) -> None:
    """What is public of a neighbour may come from a variable of the neighbour's group."""
    fleet_file = fleet / "fleet.yaml"
    fleet_file.write_text(fleet_file.read_text().replace("variables:\n", "variables:\n  site: {type: address}\n"))
    group = fleet / "groups" / "far.yaml"
    group.write_text('variables: {site: "2001:db8:a::1"}\n')
    end = fleet / "nodes" / f"{node_name(10)}.yaml"
    end.write_text(end.read_text().replace("groups: [", "groups: [far, ").replace("2001:db8::b", "${site}"))
    run("render")
    assert "2001:db8:a::1" in documents(fleet)[f"{node_name(0)}.yaml"]
    group.write_text('variables: {site: "2001:db8:a::2"}\n')
    assert run("render").out.splitlines()[:-1] == [f"changed    rendered/{node_name(0)}.yaml"]


def test_it_goes_back_with_what_it_is_made_of(fleet: Path, run: Run) -> None:
    """What was found out about a file is not taken for what is in it later."""
    run("render")
    before = documents(fleet)
    file = fleet / "nodes" / f"{ONE}.yaml"
    text = file.read_text()
    file.write_text(text + "stats: {about: {site: elsewhere}}\n")
    run("render")
    assert documents(fleet) != before
    file.write_text(text)
    assert run("render", "--check").code == 2
    run("render")
    assert documents(fleet) == before


@pytest.mark.parametrize("damage", [None, "damaged", "gone"])
def test_without_what_was_kept_it_is_the_same(fleet: Path, run: Run, tmp_path: Path, damage: str | None) -> None:
    run("render")
    before = documents(fleet)
    (cache,) = (tmp_path / "cache" / "stellwerk").iterdir()
    if damage == "damaged":
        cache.write_bytes(cache.read_bytes()[:-10])
    elif damage == "gone":
        shutil.rmtree(tmp_path / "cache")
    (fleet / "rendered" / f"{ONE}.yaml").unlink()
    assert run("render").out.splitlines()[-1] == f"1 written or removed, {NODES - 1} unchanged"
    assert documents(fleet) == before


def test_check_says_which_differ_and_writes_nothing(fleet: Path, run: Run) -> None:
    run("render")
    assert run("render", "--check") == (0, f"0 not as `stellwerk render` would write them, {NODES} right\n", "")
    folder = fleet / "rendered"
    (folder / f"{ONE}.yaml").unlink()
    add(folder / f"{OTHER}.yaml", "# by hand\n")
    shutil.copy(folder / f"{node_name(3)}.yaml", folder / "gone.yaml")
    before = documents(fleet)
    said = run("render", "--check")
    assert said.code == 2
    assert said.out.splitlines()[:-1] == [
        f"missing    rendered/{ONE}.yaml",
        f"differs    rendered/{OTHER}.yaml",
        "left over  rendered/gone.yaml",
    ]
    assert documents(fleet) == before
    assert run("render", "--check", node_name(4)).code == 0
    assert run("render", "--check", OTHER, node_name(4)).code == 2


def test_nothing_is_written_when_any_node_is_wrong(fleet: Path, run: Run) -> None:
    add(fleet / "nodes" / f"{ONE}.yaml", "mesh: {table: none}\n")
    add(fleet / "nodes" / f"{OTHER}.yaml", "exitt: 1\n")
    for words in ((), ("--check",)):
        said = run("render", *words)
        assert said.code == 3
        assert f"nodes/{ONE}.yaml:5:15:" in said.err
        assert f"nodes/{OTHER}.yaml:" in said.err
        assert "did you mean `exit`?" in said.err
    assert documents(fleet) == {}


def test_what_all_nodes_share_is_said_once(fleet: Path, run: Run) -> None:
    add(fleet / "roles" / "reporting.yaml", "  nothing: 1\n")
    said = run("render")
    assert said.code == 3
    assert said.err.count("roles/reporting.yaml") == 1


def test_what_we_have_not_written_stays(fleet: Path, run: Run) -> None:
    run("render")
    by_hand = fleet / "rendered" / "by-hand.yaml"
    by_hand.write_text("version: 1\nnode: by-hand\n")
    (fleet / "rendered" / "README.md").write_text("these are generated\n")
    said = run("render")
    assert said.code == 0
    assert "note: rendered/by-hand.yaml is no node's and not ours" in said.err
    add(fleet / "roles" / "reporting.yaml", "  prometheus: {listen: '[::1]:9742'}\n")
    (fleet / "rendered" / f"{ONE}.yaml").write_text("version: 1\nnode: mine\n")
    before = documents(fleet)
    said = run("render")
    assert said.code == 4
    assert f"rendered/{ONE}.yaml" in said.err
    assert documents(fleet) == before
    (fleet / "rendered" / f"{ONE}.yaml").unlink()
    assert run("render").code == 0
    assert by_hand.read_text() == "version: 1\nnode: by-hand\n"


def test_a_fleet_that_has_lost_its_nodes_loses_no_documents(fleet: Path, run: Run) -> None:
    run("render")
    for folder in ("nodes", "groups", "roles"):
        shutil.rmtree(fleet / folder)
    (fleet / "fleet.yaml").write_text("version: 1\nfleet: empty\n")
    said = run("render")
    assert said.code == 4
    assert "the fleet has no nodes" in said.err
    assert len(documents(fleet)) == NODES
    assert run("render", "--check").code == 2
    shutil.rmtree(fleet / "rendered")
    assert run("render") == (0, "0 written or removed, 0 unchanged\n", "")


def test_it_is_found_from_inside_and_named_from_elsewhere(
    fleet: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = run("render", ONE)
    monkeypatch.chdir(fleet / "nodes")
    assert run("render", ONE) == whole
    monkeypatch.chdir(tmp_path)
    said = run("render", ONE)
    assert said.code == 64
    assert "no fleet.yaml here or in a folder above" in said.err
    assert run("render", ONE, "--fleet", "fleet") == whole
    assert run("render", "--fleet", str(fleet)).code == 0
    assert len(documents(fleet)) == NODES


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("render", "node-0001"), "did you mean node-00010?"),
        (("render", "../../etc/passwd"), "a node is a file nodes/NAME.yaml"),
        (("render", "a\x1b[31m\n"), "has no node `a\\x1b[31m\\x0a`"),
        (("render", "--check", "nobody"), "has no node `nobody`"),
        (("render", "--fleet", "nowhere"), "does not exist"),
        (("render", "--fleet", "fleet.yaml"), "is a file"),
        (("render", "--explain"), "--explain needs the name of a node"),
        (("render", "--explain", "--check", ONE), "leave out --explain"),
        (("render", "--json", ONE), "--json is for --explain"),
    ],
)
def test_what_cannot_be_meant(fleet: Path, run: Run, words: tuple[str, ...], hint: str) -> None:
    said = run(*words)
    assert said.code == 64
    assert hint in said.err
    assert documents(fleet) == {}


def test_what_cannot_be_read_is_said_with_all_the_rest(fleet: Path, run: Run) -> None:
    (fleet / "nodes" / "folder.yaml").mkdir()
    (fleet / "nodes" / "nowhere.yaml").symlink_to("nothing.yaml")
    os.mkfifo(fleet / "nodes" / "pipe.yaml")
    (fleet / "nodes" / "binary.yaml").write_bytes(b"\0" * 100)
    said = run("render")
    assert said.code == 3
    for file, words in (
        ("folder", "is a directory"),
        ("nowhere", "cannot be read: No such file"),
        ("pipe", "is a pipe"),
        ("binary", "is binary data"),
    ):
        assert re.search(rf"nodes/{file}\.yaml: {words}", said.err)


def test_a_name_that_no_node_can_have(fleet: Path, run: Run) -> None:
    (fleet / "nodes" / "ö\x1b \n.yaml").write_text(node_text(1))
    said = run("render")
    assert said.code == 3
    assert "nodes/ö\\x1b \\x0a.yaml: the file's name is the node's" in said.err


def test_a_folder_that_is_a_link_is_refused(fleet: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (fleet / "rendered").symlink_to(tmp_path / "elsewhere")
    said = run("render")
    assert said.code == 4
    assert "rendered is a symbolic link" in said.err
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_without_a_place_for_a_cache_it_works(fleet: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert run("render").code == 0
    assert run("render").out == f"0 written or removed, {NODES} unchanged\n"


def test_each_field_says_where_it_comes_from(fleet: Path, run: Run) -> None:
    add(fleet / "nodes" / f"{ONE}.yaml", "mesh: {table: 11}\n")
    said = run("render", ONE, "--explain")
    assert said.code == 0
    head, *rows = said.out.splitlines()
    places = [head.index(word) for word in ("FIELD", "VALUE", "FROM", "INSTEAD OF", "WRITTEN AS")]
    table = {row[: places[1]].strip(): [row[at:].split("  ")[0] for at in places[1:]] for row in rows}
    assert table["mesh.table"] == ["11", f"nodes/{ONE}.yaml:5:15", "fleet.yaml:10:12", ""]
    value, origin, _, written = table["addresses[0].addresses[0]"]
    assert (value, written) == ("fd00:6d65:7368::2/128", "${address(mesh_prefix, number)}/128")
    assert origin.startswith("fleet.yaml:")
    assert f"\n{OTHER}\nFIELD" in run("render", ONE, OTHER, "--explain").out


def test_the_same_as_json(fleet: Path, run: Run) -> None:
    add(fleet / "nodes" / f"{ONE}.yaml", "mesh: {table: 11}\n")
    told = json.loads(run("render", ONE, "--explain", "--json").out)
    assert (told["stellwerk_explained"], [node["node"] for node in told["nodes"]]) == (1, [ONE])
    (table,) = [one for one in told["nodes"][0]["fields"] if one["path"] == ["mesh", "table"]]
    assert table == {
        "path": ["mesh", "table"],
        "value": "11",
        **{"file": f"nodes/{ONE}.yaml", "line": 5, "column": 15},
        "by": "",
        "over": [{"file": "fleet.yaml", "line": 10, "column": 12}],
    }


def test_problems_of_all_named_nodes_are_said(fleet: Path, run: Run) -> None:
    for name in (ONE, OTHER):
        add(fleet / "nodes" / f"{name}.yaml", "exitt: 1\n")
    said = run("render", ONE, OTHER)
    assert said.code == 3
    assert said.err.count("`exitt` is not a field") == 2
    assert said.out == ""
