"""What docs/audit.md shows is what happens."""

from __future__ import annotations

import pytest

from tests.pure.audit.conftest import Auditor
from tests.pure.docs.markdown import ROOT, blocks
from tests.pure.docs.test_readme import play

SESSIONS = [block.text for block in blocks(ROOT / "docs" / "audit.md") if block.language == "console"]


def test_the_sessions(auditor: Auditor, monkeypatch: pytest.MonkeyPatch) -> None:
    live, elsewhere, broken = SESSIONS
    monkeypatch.chdir(ROOT)
    auditor.apply()
    play(live, auditor.command_line)
    monkeypatch.chdir(auditor.folder)
    (auditor.folder / "examples").symlink_to(ROOT / "examples")
    play(elsewhere, auditor.command_line)
    auditor.switch_forwarding_off()
    auditor.add_default()
    play(broken, auditor.command_line)
