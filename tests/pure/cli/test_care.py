"""What the command line must not do: stop half way for want of a reader, write over a node file."""

import io
import sys
from pathlib import Path

import pytest

from intent.references import PrivateKeyFile
from reconciler import cli
from reconciler.backends.key_references import KeyFiles
from reconciler.backends.sysctl import SysctlFiles
from reconciler.cli import output
from reconciler.core.errors import RejectedError


class _Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_lines_that_nobody_reads_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Closed())
    lines = output.Lines()
    lines.say("one")
    lines.say("two")
    assert isinstance(lines.lost, BrokenPipeError)


def test_a_plan_does_not_write_over_its_node_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("version: 1\nnode: a\n")
    assert cli.run(["plan", str(file), "--out", str(file), "--state-dir", str(tmp_path)]) == 64
    assert file.read_text() == "version: 1\nnode: a\n"
    assert "node file" in capsys.readouterr().err


def test_a_key_behind_a_dangling_link_is_not_made_anew_each_time(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "unmounted" / "key")
    with pytest.raises(RejectedError, match="symbolic link to nothing"):
        KeyFiles().resolve(PrivateKeyFile(str(tmp_path / "key"), generate=True))


def test_a_parameter_is_never_looked_for_outside_of_proc_sys() -> None:
    dumped = SysctlFiles().dump({"sysctl": frozenset({"../../etc/hostname", "/etc/hostname"})})["sysctl"]
    assert not isinstance(dumped, Exception)
    assert list(dumped.rows) == []
