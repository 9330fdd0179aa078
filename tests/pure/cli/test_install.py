"""What `pip install .` installs is whole: the command works outside of a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.pure.docs.markdown import ROOT

SOURCES = ("intent", "reconciler", "docs", "pyproject.toml", "README.md", "LICENSE")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        words, cwd=cwd, env=ENVIRONMENT, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new virtual environment that shares no more than the dependencies with the one of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    source, wheels, made = folder / "source", folder / "wheels", folder / "venv"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated")
    run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", wheels, source, cwd=folder)
    venv.create(made, symlinks=True)
    (wheel,) = wheels.iterdir()
    run(*pip, "--python", made / "bin" / "python", "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    packages = sysconfig.get_path("purelib", vars={"base": str(made), "platbase": str(made)})
    # A line of such a file is a path to search, and no other file like it in there is heeded: not the checkout's.
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def test_it_runs_from_there(installed: Path) -> None:
    where = run(
        installed / "bin" / "python", "-c", "import intent, reconciler; print(intent, reconciler)", cwd=installed
    )
    assert str(ROOT) not in where
    assert where.count(str(installed)) == 2


def test_its_help(installed: Path) -> None:
    said = run(installed / "bin" / "stellwerk", "--help", cwd=installed)
    assert said.startswith("Usage: stellwerk ")
    for command in ("apply", "check", "completion", "plan", "run", "schema", "status"):
        assert f"\n  {command} " in said
    assert run(installed / "bin" / "stellwerk", "--version", cwd=installed).startswith("stellwerk, version ")
    for file in (
        "man/man1/stellwerk.1",
        "stellwerk/stellwerk.service",
        "stellwerk/stellwerk-stats.service",
        "stellwerk/stellwerk.init",
    ):
        assert (installed / "share" / file).exists(), file


def test_it_knows_every_feature(installed: Path) -> None:
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    said = run(installed / "bin" / "stellwerk", "check", *examples, cwd=installed)
    assert said.count(": ok, node ") == len(examples) > 0
    run(installed / "bin" / "stellwerk", "schema", cwd=installed)


def test_the_page_of_an_audit_is_whole(installed: Path) -> None:
    words = "from reconciler.core.audit import Audit; from reconciler.cli.audit_reports import rendered"
    said = run(
        installed / "bin" / "python", "-c", f"{words}; print(rendered(Audit((), 0, '1'), 'html'))", cwd=installed
    )
    assert "<style>:root" in said
    assert said.rstrip().endswith("</html>")
