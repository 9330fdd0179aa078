"""A case in a process with network, process and mount namespaces of its own.

Whatever it starts or makes ends with it, also when it is killed. ``python -m tests.bench.isolated CASE SIZE FOLDER``
is that process; it writes FOLDER/findings, a line of JSON for each as it is found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.bench.case import Case
from tests.bench.findings import Failure, Finding
from tests.bench.place import Place, say

ALONE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
CHECKOUT = Path(__file__).resolve().parents[2]
FINDINGS = "findings"
MOST_SAID = 1500
"""How many characters of the end of what a failed case said are kept."""


def measure(case: Case, size: int, limit_seconds: float) -> tuple[list[Finding], Failure | None]:
    """Measure a case at one size; return what was found by its end, and the failure that ended it early."""
    with tempfile.TemporaryDirectory(prefix="stellwerk-bench-") as name:
        folder = Path(name)
        log = folder / "log"
        command = [*ALONE, sys.executable, "-m", "tests.bench.isolated", case.name, str(size), name]
        with log.open("wb") as said:
            process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            try:
                code = process.wait(limit_seconds)
                why = "" if code == 0 else f"exit code {code}"
            except subprocess.TimeoutExpired:
                why = f"not done within {limit_seconds:.0f} s"
            finally:
                # Its children are in its process namespace, and end with that.
                process.kill()
                process.wait()
        words = log.read_text(errors="replace")[-MOST_SAID:].strip()
        if why:
            say(words)
            why = f"{why}: {words.splitlines()[-1]}" if words else why
        found = folder / FINDINGS
        lines = found.read_text().splitlines() if found.exists() else []
        return [Finding.from_json(json.loads(line)) for line in lines], Failure(case.name, size, why) if why else None


def main() -> None:
    """Measure in this process, which has its namespaces already."""
    from tests.bench.cases import cases

    name, size, folder = sys.argv[1:]
    with _first_process():
        place = Place(Path(folder))
        place.begin()
        with (place.folder / FINDINGS).open("w") as lines:
            for finding in cases()[name].measure(place, int(size)):
                lines.write(json.dumps(asdict(finding)) + "\n")
                lines.flush()


@contextmanager
def _first_process() -> Iterator[None]:
    """Go on in a child: the first process of a namespace has to collect those that have lost their parents."""
    child = os.fork()
    if child == 0:
        yield
        return
    while True:
        pid, status = os.wait()
        if pid == child:
            # All others are killed by the kernel with this one.
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
