"""``python -m tests.failover [--gre] [--into FILE] [--merge FILE] [NAME…]``: measure, and write the table."""

import argparse
import tempfile
from pathlib import Path

from reconciler.lab.laboratory import laboratory
from tests.failover.failures import FAILURES, LABS, Failure, gre_lab, measure
from tests.failover.table import Row, read, row, write


def main() -> None:
    """Measure what the command line names, by default all that takes no GRE, and write it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.failover", description="Measure how long failures last.")
    parser.add_argument("--gre", action="store_true", help="measure what takes GRE, instead of the rest")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write values to this file, and no document")
    parser.add_argument("--merge", type=Path, metavar="FILE", help="measure nothing, take the values from this file")
    parser.add_argument("names", nargs="*", metavar="NAME", help="failures to measure")
    arguments = parser.parse_args()
    if arguments.merge is not None:
        write(read(arguments.merge))
        return
    wanted = [one for one in FAILURES if one.gre == arguments.gre and one.name in (arguments.names or [one.name])]
    with tempfile.TemporaryDirectory() as folder:
        rows = _measured(gre_lab(Path(folder)) if arguments.gre else LABS / "two-exits" / "lab.yaml", wanted)
    if arguments.into is None:
        write(rows)
    else:
        write(rows, arguments.into, None)


def _measured(file: Path, failures: list[Failure]) -> dict[str, Row]:
    rows = {}
    with tempfile.TemporaryDirectory() as folder, laboratory(file, Path(folder)) as lab:
        for failure in failures:
            rows[failure.name] = row(measure(failure, lab))
            print(failure.words, rows[failure.name].gaps, sep=": ", flush=True)
    return rows


if __name__ == "__main__":
    main()
