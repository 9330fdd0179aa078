"""The init script in the shell of OpenWrt."""

import subprocess
from pathlib import Path

INIT = Path(__file__).parents[3] / "docs" / "service" / "stellwerk.init"


def test_busybox_understands_it() -> None:
    done = subprocess.run(["busybox", "ash", "-n", str(INIT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
