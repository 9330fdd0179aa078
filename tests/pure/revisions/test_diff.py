"""``stellwerk diff`` on real repositories: fleets, plain node files, and whatever else git may hold."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.intents import PUBLIC_KEYS

Run = Callable[..., tuple[int, str]]

FLEET = """\
version: 1
fleet: example
variables:
  number: {type: integer}
defaults:
  mesh:
    table: 10
    interfaces: [{name: mesh0, type: wired}]
"""
GROUP = """\
addresses:
  - {interface: mesh0, addresses: ["${address(\\"fd00:1::/64\\", number)}/64"]}
"""
GRE = """\
gre:
  - {name: gre1, mode: ip6gre, local: "2001:db8::1", remote: "2001:db8::%d"}
"""
PLAIN = """\
version: 1
node: %s
addresses:
  - {interface: mesh0, addresses: ["fd00::%d/64"]}
"""


def node(number: int, more: str = "") -> str:
    return f"groups: [berlin]\nvariables: {{number: {number}}}\n{more}"


def fill(repository: Any, count: int = 3) -> None:
    repository.put("fleet.yaml", FLEET)
    repository.put("groups/berlin.yaml", GROUP.replace('\\"', "'").replace("'fd00:1::/64'", "mesh_prefix"))
    repository.put(
        "fleet.yaml", FLEET.replace("defaults:", '  mesh_prefix: {type: prefix, default: "fd00:1::/64"}\ndefaults:')
    )
    for number in range(count):
        repository.put(f"nodes/b-{number}.yaml", node(number + 1))


def test_nothing_changes_where_no_document_means_something_else(repository: Any, stellwerk: Run) -> None:
    fill(repository)
    repository.commit()
    repository.put("nodes/b-1.yaml", "# a comment\n" + node(2))
    repository.put("README", "words")
    repository.commit()
    code, said = stellwerk("diff", "HEAD~1", "HEAD", "--fleet", str(repository.folder))
    assert (code, "nothing changes on any node" in said) == (0, True), said


def test_changes_are_counted_and_shown_as_a_plan_is(repository: Any, stellwerk: Run) -> None:
    fill(repository)
    repository.put("nodes/gone.yaml", node(7))
    repository.put("nodes/tunnel.yaml", node(8, GRE % 9))
    repository.commit()
    repository.put("nodes/b-1.yaml", node(10))
    repository.put("nodes/gone.yaml", None)
    repository.put("nodes/new.yaml", node(9))
    repository.put("nodes/tunnel.yaml", node(8, GRE % 10))
    folder = str(repository.folder)
    code, said = stellwerk("diff", "HEAD", "--fleet", folder)
    assert code == 2, said
    assert said.splitlines()[0].endswith("2 nodes change, 1 with replacements or interruptions, 1 new, 1 gone")
    assert "+ address fd00:1::a/64 dev mesh0" in said
    assert "± link gre1 type ip6gre" in said
    repository.commit()
    assert stellwerk("diff", "HEAD~1", "HEAD", "--fleet", folder)[1].splitlines()[2:] == said.splitlines()[2:]
    code, said = stellwerk("diff", "HEAD~1", "HEAD", "--fleet", folder, "--node", "b-1", "--format", "json")
    told = json.loads(said)
    assert [one["node"] for one in told["nodes"]] == ["b-1"]
    assert told["summary"]["changed"] == 1
    assert {one["action"] for one in told["nodes"][0]["plan"]["operations"]} == {"create", "delete"}


def test_what_changes_alike_on_many_nodes_is_shown_once(repository: Any, stellwerk: Run) -> None:
    fill(repository, 5)
    repository.commit()
    repository.put("groups/berlin.yaml", (repository.folder / "groups/berlin.yaml").read_text() + GRE % 9)
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder))
    assert code == 2, said
    assert said.count("+ link gre1") == 1
    assert "5 nodes (b-0, b-1, b-2, b-3, b-4): change alike" in said


def test_an_invalid_later_side_is_told_with_its_places(repository: Any, stellwerk: Run) -> None:
    fill(repository)
    repository.commit()
    repository.put("nodes/b-1.yaml", node(1, "mehs: {}\n"))
    bad = repository.commit()
    code, said = stellwerk("diff", "HEAD~1", "HEAD", "--fleet", str(repository.folder))
    assert code == 3
    assert "HEAD:nodes/b-1.yaml:3:1: " in said
    repository.put("nodes/b-1.yaml", node(11))
    repository.put("nodes/b-2.yaml", node(12))
    repository.commit()
    code, said = stellwerk("diff", bad, "HEAD", "--fleet", str(repository.folder))
    assert code == 2, said
    assert "it was invalid before" in said
    assert "fd00:1::c/64" in said


@pytest.mark.parametrize("missing", [0, 1])
def test_a_fleet_file_that_is_not_there(repository: Any, stellwerk: Run, missing: int) -> None:
    fill(repository)
    repository.commit()
    text = (repository.folder / "fleet.yaml").read_text()
    repository.put("fleet.yaml", None)
    repository.commit()
    repository.put("fleet.yaml", text)
    repository.commit()
    sides = ("HEAD~2", "HEAD~1") if missing else ("HEAD~1", "HEAD")
    code, said = stellwerk("diff", *sides, "--fleet", str(repository.folder))
    assert code == 2, said
    assert f"3 {'gone' if missing else 'new'}" in said.splitlines()[0]


def test_a_repository_of_plain_node_files(repository: Any, stellwerk: Run) -> None:
    for number in range(3):
        repository.put(f"n{number}.yaml", PLAIN % (f"plain-{number}", number))
    repository.put("other.yaml", "hello: world\n")
    repository.commit()
    repository.put("n1.yaml", PLAIN % ("plain-1", 7))
    repository.put("other.yaml", "hello: you\n")
    (repository.folder / "n2.yaml").rename(repository.folder / "moved.yaml")
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder))
    assert code == 2, said
    assert said.splitlines()[0].endswith("1 node changes")
    assert "plain-1: changes, 1 to create, 1 to delete" in said


def test_revisions_and_files_with_odd_names(repository: Any, stellwerk: Run, tmp_path: Path) -> None:
    fill(repository)
    repository.put("nodes/odd\n\x1b[31m.yaml", "x")
    repository.put("groups/b\xe9.txt", b"\xff\xfe\x00")
    os.symlink("/etc/passwd", repository.folder / "nodes" / "out.yaml")
    os.symlink("b-1.yaml", repository.folder / "nodes" / "alias.yaml")
    first = repository.commit()
    repository.git("update-ref", "refs/heads/-x", first)
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{first},nodes/module.yaml")
    repository.git("commit", "-q", "-m", "a module")
    folder = str(repository.folder)
    for arguments in (["HEAD~1", "HEAD"], ["--", "-x", "HEAD"], ["HEAD"]):
        code, said = stellwerk("diff", "--fleet", folder, *arguments)
        assert code in (2, 3), said
        assert "\x1b" not in said
        assert "Traceback" not in said
        assert "root:" not in said
    for revision in ("nothing", "-nothing", "", "HEAD:fleet.yaml", "a\x1bb", "--all"):
        code, said = stellwerk("diff", "--fleet", folder, "--", revision)
        assert code == 1, said
        assert "is no commit of the repository" in said
        assert "\x1b" not in said


def test_a_bare_repository_and_a_shallow_one(repository: Any, stellwerk: Run, tmp_path: Path) -> None:
    fill(repository)
    repository.commit()
    repository.put("nodes/b-1.yaml", node(4))
    repository.commit()
    bare, shallow = str(tmp_path / "bare"), str(tmp_path / "shallow")
    repository.git("clone", "-q", "--bare", str(repository.folder), bare)
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.folder}", shallow)
    assert stellwerk("diff", "--fleet", bare, "HEAD~1", "HEAD")[0] == 2
    code, said = stellwerk("diff", "--fleet", bare, "HEAD~1")
    assert (code, "no working tree" in said) == (1, True)
    code, said = stellwerk("diff", "--fleet", shallow, "HEAD~1", "HEAD")
    assert (code, "git fetch --unshallow" in said) == (1, True)
    code, said = stellwerk("diff", "--fleet", str(tmp_path), "HEAD")
    assert code == 1


def test_a_fleet_in_a_folder_of_the_repository(repository: Any, stellwerk: Run, tmp_path: Path) -> None:
    fill(repository)
    for name in ("fleet.yaml", "groups", "nodes"):
        (repository.folder / "inside").mkdir(exist_ok=True)
        shutil.move(repository.folder / name, repository.folder / "inside" / name)
    repository.commit()
    repository.put("inside/nodes/b-1.yaml", node(4))
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder / "inside"))
    assert (code, "1 node changes" in said) == (2, True), said


def test_markdown_is_folded_bounded_and_holds_no_markup_of_others(repository: Any, stellwerk: Run) -> None:
    fill(repository)
    evil = PLAIN % ("evil", 1)
    repository.put("fleet.yaml", None)
    repository.put("evil.yaml", evil)
    for number in range(900):
        repository.put(f"n{number}.yaml", PLAIN % (f"plain-{number}", number))
    repository.commit()
    repository.put("evil.yaml", evil.replace("mesh0", '"```</details><script>"'))
    for number in range(900):
        repository.put(f"n{number}.yaml", PLAIN % (f"plain-{number}", number + 1000))
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder), "--format", "markdown")
    assert code == 3
    assert len(said) < 65_536
    assert "more; `stellwerk diff` shows all of them" in said
    outside = said.split("````text")[0]
    assert "<script>" not in outside


def test_one_changed_node_of_a_thousand_is_not_lost_among_the_others(repository: Any, stellwerk: Run) -> None:
    fill(repository, 1000)
    repository.commit()
    repository.put("nodes/b-500.yaml", node(2000))
    started = time.monotonic()
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder))
    assert (code, "1 node changes" in said) == (2, True)
    assert time.monotonic() - started < 30


def test_a_node_that_neither_side_has_is_told(repository: Any, stellwerk: Run) -> None:
    fill(repository)
    repository.commit()
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder), "--node", "b-l")
    assert (code, "neither revision has a node 'b-l'" in said) == (1, True)


def test_an_earlier_side_that_is_no_valid_fleet_is_told(repository: Any, stellwerk: Run) -> None:
    repository.put("fleet.yaml", "version: 1\n")
    repository.commit()
    fill(repository)
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder))
    assert code == 2, said
    assert "note: HEAD:fleet.yaml" in said
    assert "what it was before is not known" in said


def test_a_group_that_says_what_is_public_of_a_node_changes_those_linked_with_it(
    repository: Any, stellwerk: Run
) -> None:
    links = "links:\n  - {between: [a, b], port: 51901}\n"
    far = "links: {private_key: {file: /etc/keys/links}}\n"
    repository.put("fleet.yaml", FLEET.replace("defaults:", f"  host: {{type: text}}\n{links}defaults:"))
    repository.put("groups/berlin.yaml", 'variables: {host: "2001:db8::1"}\n')
    for number, (name, more) in enumerate((("a", "groups: [berlin]\n"), ("b", "")), 1):
        host = "${host}" if name == "a" else "2001:db8::2"
        public = f'public: {{keys: {{links: "{PUBLIC_KEYS[number]}"}}, host: "{host}"}}\n'
        repository.put(f"nodes/{name}.yaml", f"{more}{public}variables: {{number: {number}}}\n{far}")
    repository.commit()
    repository.put("groups/berlin.yaml", 'variables: {host: "2001:db8::3"}\n')
    code, said = stellwerk("diff", "HEAD", "--fleet", str(repository.folder))
    assert code == 2, said
    assert "endpoint [2001:db8::1]:51901 → [2001:db8::3]:51901" in said
    assert "\nb: changes" in said
