"""``python -m tests.bench``: measure, show how far it is, write the page."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.bench import machine, report
from tests.bench.case import Case
from tests.bench.cases import cases
from tests.bench.cases.ifstate import VARIABLE
from tests.bench.findings import Failure, Finding, Report
from tests.bench.isolated import CHECKOUT, measure
from tests.bench.place import say
from tests.bench.targets import growths, verdicts

DOCS, REPORTS = CHECKOUT / "docs", CHECKOUT / ".reports"
EMULATED = "benchmarks-emulated.json"
EMULATED_LIMIT_SECONDS = 900.0
SLOWER_EMULATED = 2.0
ENDING_SECONDS = 30.0
"""How long the emulated machine may take to be ended, and its folder to be removed."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LARGEST_SIZE = 1_000_000


def main(words: Sequence[str] | None = None) -> int:
    """Measure what is asked for. Returns 0, or 1 where something could not be measured."""
    arguments = _arguments(words)
    if arguments.page:
        report.write(report.read(DOCS / report.VALUES), DOCS)
        return 0
    chosen = [case for case in cases().values() if case.name in arguments.cases]
    kernel = "full" if arguments.emulated else "this"
    found = _measured(chosen, arguments.sizes, kernel)
    whole = not arguments.sizes and set(arguments.cases) == set(cases())
    if not arguments.emulated and not arguments.without_emulated and any(case.full_kernel_sizes for case in chosen):
        found = found.and_of(_emulated(arguments.sizes))
    else:
        whole = False
    if arguments.emulated:
        _write_values(found, REPORTS / EMULATED)
        return 0
    page, _ = report.write(found, arguments.out or (DOCS if whole else REPORTS))
    _say_result(found, page)
    return 1 if found.failures else 0


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    names = sorted(cases())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure Stellwerk beside its peers (root). All of it takes about a quarter of an hour and is"
        " written to docs; a part of it is written to .reports.",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"what to measure: {', '.join(names)} (default: all)")
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=(),
        metavar="N,N,…",
        help="only these numbers of routes, peers, nodes of a fleet",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write benchmarks.md and benchmarks.json")
    parser.add_argument(
        "--without-emulated", action="store_true", help="nothing on the full kernel, which takes minutes"
    )
    parser.add_argument("--page", action="store_true", help="write the page anew from its values; measure nothing")
    parser.add_argument("--emulated", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if unknown := set(arguments.cases) - set(names):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    arguments.cases = arguments.cases or names
    if os.geteuid() != 0 and not arguments.page:
        parser.error("it needs root, for network namespaces")
    return arguments


def _sizes(text: str) -> tuple[int, ...]:
    """Return the numbers in a list. Raises argparse.ArgumentTypeError for one that nothing can be measured with."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 1 <= int(part) <= LARGEST_SIZE for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} must be whole numbers from 1 to {LARGEST_SIZE:,}, with commas between them"
        )
    return tuple(map(int, parts))


def _measured(chosen: Sequence[Case], sizes: Sequence[int], kernel: str) -> Report:
    """Measure the cases on this kernel, one size after the other."""
    findings: list[Finding] = []
    failures: list[Failure] = []
    about: dict[str, str] = {}
    slower = SLOWER_EMULATED if kernel == "full" else 1.0
    for case in chosen:
        about |= case.about
        all_sizes = case.full_kernel_sizes if kernel == "full" else case.sizes
        for size in all_sizes:
            if sizes and size not in sizes and len(all_sizes) > 1:
                continue
            begun = time.monotonic()
            got, failure = measure(case, size, slower * case.limit_seconds)
            findings += [replace(one, kernel=kernel) for one in got]
            failures += [] if failure is None else [replace(failure, kernel=kernel)]
            outcome = "measured" if failure is None else f"not all of it could be measured: {failure.why}"
            say(f"{case.name}, {report.number(size)}: {outcome} ({time.monotonic() - begun:.0f} s)")
    facts = machine.facts(os.environ.get(VARIABLE, ""), kernel == "full")
    return Report({kernel: facts}, tuple(findings), tuple(failures), about)


def _emulated(sizes: Sequence[int]) -> Report:
    """Measure on the full kernel what needs one."""
    names = [case.name for case in cases().values() if case.full_kernel_sizes]
    values = REPORTS / EMULATED
    values.unlink(missing_ok=True)
    REPORTS.mkdir(exist_ok=True)
    fetch = values.relative_to(CHECKOUT)
    limit = f"--limit={EMULATED_LIMIT_SECONDS:g}"
    chosen = [f"--sizes={','.join(map(str, sizes))}"] if sizes else []
    inside = ["python", "-m", "tests.bench", "--emulated", *chosen, *names]
    command = [sys.executable, "-m", "tests.emulated", limit, "--fetch", str(fetch), "--", *inside]
    code = _ended_with_us(command)
    if code == 0 and values.exists():
        return report.read(values)
    why = f"the emulated machine ended with {code}"
    return Report({}, failures=tuple(Failure(name, 0, why, "full") for name in names))


def _ended_with_us(command: Sequence[str]) -> int:
    """Run a command to its end and return its exit status; where we are stopped it is asked to end what it started."""
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=sys.stderr, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDING_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _write_values(found: Report, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(found.to_json()))


def _say_result(found: Report, page: Path) -> None:
    for one in verdicts(found.findings):
        if one.finding is not None and one.value is not None:
            words = report.value(one.value, one.target, one.finding)
            met = "met" if one.met else "NOT MET"
            print(f"{met:8} {one.target.case}, {one.target.quantity}, {report.number(one.target.size)}: {words}")
    for grown in growths(found.findings):
        if not grown.met:
            print(f"NOT MET  growth of {grown.case}, {grown.quantity}: {grown.factor:.2f} × from {grown.small}")
    for failure in found.failures:
        print(f"FAILED   {failure.case}, {report.number(failure.size)}: {failure.why}")
    print(f"written to {page}")


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave as for Ctrl-C, so that what was started is ended; another signal does not disturb that."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for ending in ENDINGS:
        signal.signal(ending, _stop)
    try:
        code = main()
    except KeyboardInterrupt:
        say("stopped")
        code = 128 + signal.SIGINT
    sys.exit(code)
