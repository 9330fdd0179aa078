"""The worked examples of CONTRIBUTING.md: put where they belong, beside nothing else, they work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pure.docs.markdown import ROOT, blocks

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
NAMED = [(block.name, block) for block in blocks(CONTRIBUTING) if block.name is not None]
FILES = {name: block.text for name, block in NAMED if block.language != "diff"}
CHANGES = {name: block.text for name, block in NAMED if block.language == "diff"}
COPIED = ("intent", "reconciler", "tests", "docs", "schemas", "examples")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source tree with the examples in it; they replace no file."""
    copy = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file, text in FILES.items():
        path = copy / file
        assert not path.exists(), f"{file} exists: choose another example"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for file, text in CHANGES.items():
        (copy / file).write_text(changed((copy / file).read_text(), text))
    return copy


def changed(content: str, diff: str) -> str:
    """Return a file's content with a diff applied: each of its parts is found by its words, at one place."""
    for part in re.split(r"^@@.*\n", diff, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        assert content.count(before) == 1, before
        content = content.replace(before, after)
    return content


def run(tree: Path, *command: str) -> str:
    """Return what Python says in the tree, and make sure that it works with that tree's packages."""
    done = subprocess.run([sys.executable, *command], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_examples_are_a_feature_a_kind_a_check_and_their_tests() -> None:
    folders = sorted({str(Path(file).parent) for file in FILES})
    assert folders == [
        "intent/features",
        "intent/resources",
        "reconciler/backends/checks",
        "tests/pure/file_check",
        "tests/pure/intent/cases/services/together",
        "tests/pure/services",
        "tests/pure/vlan",
    ]


def test_their_own_tests_pass(tree: Path) -> None:
    assert Path(run(tree, "-c", "import intent; print(intent.__file__)").strip()).is_relative_to(tree)
    tests = [file for file in FILES if Path(file).name.startswith("test_")]
    run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    said = run(
        tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/pure/intent/test_cases.py", "-k", "services"
    )
    assert "2 passed" in said


def test_the_feature_is_in_the_schema_and_in_the_reference(tree: Path) -> None:
    script = "import json; from intent.schema import node_schema; print(json.dumps(node_schema()))"
    schema = json.loads(run(tree, "-c", script))
    assert schema["properties"]["services"]["description"]
    assert schema["dependentRequired"]["services"] == ["mesh"]
    assert "/run/clock-is-set" in json.dumps(schema)
    run(tree, "-m", "docs.node_file")
    assert "## `services`" in (tree / "docs" / "node-file.md").read_text()


def test_the_command_line_knows_the_feature(tree: Path) -> None:
    file = tree / "node.yaml"
    file.write_text(
        'version: 1\nnode: a\nmesh: {prefixes: ["fd00::/16"]}\nservices: [{address: "fd00:6d65:7368::53"}]\n'
    )
    script = "import sys; from reconciler.cli import main; main(['check', sys.argv[1]])"
    assert run(tree, "-c", script, str(file)) == f"{file}: ok, node a\n"


def test_they_are_in_good_style(tree: Path) -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    modules = [file for file in (*FILES, *CHANGES) if file.endswith(".py")]
    for command in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        done = subprocess.run([ruff, *command, *modules], cwd=tree, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "line", [line for block in blocks(CONTRIBUTING) if block.language == "sh" for line in block.text.splitlines()]
)
def test_a_command(line: str) -> None:
    words = line.partition("#")[0].split()
    if words[0] == "make":
        assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text()
    else:
        assert words[:2] == [".venv/bin/python", "-m"]
        module = ROOT / words[2].replace(".", "/")
        assert module.with_suffix(".py").exists() or (module / "__main__.py").exists()
