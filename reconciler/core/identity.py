"""Where this node's identity is, which opens the age files of its keys."""

from __future__ import annotations

from pathlib import Path

IDENTITY = Path("/etc/stellwerk/identity")
IDENTITY_VARIABLE = "STELLWERK_IDENTITY"
"""The variable of the environment that names another file."""
