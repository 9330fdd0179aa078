"""Each border between the packages is held: an import across it breaks its contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.pure.docs.markdown import ROOT

CONTRACTS = {
    one["id"]: one["name"]
    for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
PLANTED = [
    ("intent-is-below", "intent/scalars.py", "import reconciler.core.errors"),
    ("intent-is-pure", "intent/scalars.py", "import socket"),
    ("pyroute2-stays-in-backends", "reconciler/core/plan.py", "import pyroute2"),
    ("layers", "reconciler/core/plan.py", "import reconciler.backends"),
    ("layers", "reconciler/core/plan.py", "import reconciler.cli.options"),
    ("layers", "reconciler/backends/files.py", "import reconciler.cli.options"),
    ("layers", "reconciler/backends/files.py", "import reconciler.lab"),
    ("layers", "reconciler/services/__init__.py", "import reconciler.lab"),
    ("layers", "reconciler/services/__init__.py", "import reconciler.cli.options"),
    ("core-names-no-feature", "reconciler/core/plan.py", "import intent.features.mesh"),
    ("core-names-no-kind", "reconciler/core/plan.py", "from intent.resources.route import Route"),
    ("core-names-no-kind", "reconciler/core/diff.py", "from intent.resources import link"),
    ("diff-is-pure", "reconciler/core/diff.py", "import time"),
    ("statistics-stay-small", "reconciler/services/statistics/figures.py", "import intent.features.mesh"),
    ("statistics-stay-small", "reconciler/backends/babel_table.py", "import pydantic"),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("borders")
    for package in ("intent", "reconciler"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("services", "lab"):
        made = folder / "reconciler" / package
        made.mkdir(exist_ok=True)
        (made / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken(checkout: Path) -> list[str]:
    """Return the names of the contracts that do not hold."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    said = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=checkout, timeout=120, stdout=subprocess.PIPE, text=True
    )
    assert said.returncode in (0, 1)
    assert "Contracts: " in said.stdout, said.stdout
    return [line.partition(" BROKEN")[0] for line in said.stdout.splitlines() if " BROKEN" in line]


def test_they_hold(checkout: Path) -> None:
    assert broken(checkout) == []


def test_every_contract_is_tried() -> None:
    assert {contract for contract, *_ in PLANTED} == CONTRACTS.keys()


@pytest.mark.parametrize(("contract", "file", "line"), PLANTED)
def test_a_planted_import_breaks_it(contract: str, file: str, line: str, checkout: Path) -> None:
    path = checkout / file
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        assert CONTRACTS[contract] in broken(checkout)
    finally:
        path.write_text(before)
