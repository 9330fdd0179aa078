"""A test of this tier cannot look at, or change, the machine that it runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.services.this_node import this_node


def test_this_node_is_out_of_reach(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="give it a node in memory"), this_node(tmp_path):
        pass
