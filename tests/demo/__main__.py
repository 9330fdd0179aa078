"""``python -m tests.demo``: run the story on a kernel that has all it needs, in namespaces that vanish with it."""

from __future__ import annotations

import subprocess
import sys

from reconciler.backends import link_kinds
from tests.emulated.machine import MachineError, Task
from tests.emulated.machine import run as run_in_machine

NEEDED = ("wireguard", "ip6gre")
LIMIT_SECONDS = 600
# All that the story makes is inside these, and the kernel takes them away with its last process.
CONFINED = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def main() -> int:
    """Run the story, in the emulated machine where the running kernel lacks a kind of link; return its status."""
    story = [sys.executable, "-m", "tests.demo.story"]
    lacking = [kind for kind in NEEDED if not link_kinds.known(kind)]
    if not lacking:
        return subprocess.run([*CONFINED, *story], check=False).returncode
    print(f"The running kernel has no {' and no '.join(lacking)}; an emulated machine has. It takes a minute more.")
    try:
        return run_in_machine(Task([*CONFINED, *story], LIMIT_SECONDS))
    except MachineError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
