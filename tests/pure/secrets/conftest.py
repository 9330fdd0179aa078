"""A node's identity, and keys that are encrypted for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.backends import age_files

KEY = b"QL0mVTGfQ3Y+1FxXJHTq4n8c1ur0mZ0JjWCpPz4C4lo="


@dataclass(frozen=True)
class Mine:
    """The identity of this node."""

    path: Path
    recipient: str

    def encrypted(self, content: bytes = KEY + b"\n", *others: str, armored: bool = False) -> bytes:
        return age_files.encrypt(content, (self.recipient, *others), armored)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mine:
    path = tmp_path / "identity"
    line, recipient = age_files.new_identity()
    path.write_text(f"# made for a test\n\n{line}\n")
    path.chmod(0o600)
    monkeypatch.setenv("STELLWERK_IDENTITY", str(path))
    return Mine(path, recipient)
