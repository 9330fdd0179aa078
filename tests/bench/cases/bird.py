"""BIRD 2 with the same static routes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.case import Case
from tests.bench.cases.running_daemon import reconcile, repairs
from tests.bench.findings import Finding, Measured
from tests.bench.inputs import GATEWAY, PEER_TABLE, By, bird_configuration, node_file, packed, prefixes
from tests.bench.place import (
    PATIENCE_SECONDS,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    Place,
    RouteNews,
    route_entries,
    run,
    until,
)
from tests.bench.timing import Cost, compared, cpu_seconds, of_command
from tests.kernel.daemon.running import STELLWERK

INSTALL = "from a file to installed"
INSTALL_DESTINATIONS = "from a file to installed, by destination"
UNCHANGED = "an unchanged file"
REPAIR = "one route deleted, beside BIRD"
RUNS = 3
CONFIGURES = 7
SCAN_SECONDS = 10
REPAIRS = 2


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what takes BIRD how long."""
    sources = prefixes(size)
    yield from compared(INSTALL, size, *_installs(place, sources, "source"), "BIRD 2")
    yield from compared(INSTALL_DESTINATIONS, size, *_installs(place, sources, "destination"), "BIRD 2")
    place.fresh_links()
    with _bird(place.folder / "source.conf", size) as (process, _):
        theirs = [_configure(process) for _ in range(CONFIGURES)]
        repaired = [_repair(one) for one in sources[:REPAIRS]] if size == min(CASE.sizes) else []
    place.fresh_links()
    with place.daemon(place.folder / "source.yaml", place.state_folder) as daemon:
        yield from compared(UNCHANGED, size, [reconcile(daemon) for _ in range(CONFIGURES)], theirs, "BIRD 2")
        if repaired:
            ours_repaired = Measured.of(repairs(daemon, sources, CONFIGURES))
            yield Finding(REPAIR, size, "wall", "s", ours_repaired, Measured.of(repaired), "BIRD 2")


def _installs(place: Place, prefixes: Sequence[str], by: By) -> tuple[list[Cost], list[Cost]]:
    """Return what it costs both to get such routes into the kernel, from the start of a process on."""
    file = place.write(f"{by}.yaml", node_file(prefixes, by))
    configuration = place.write(f"{by}.conf", bird_configuration(prefixes, place.folder, SCAN_SECONDS, by))
    ours: list[Cost] = []
    theirs: list[Cost] = []
    for _ in range(RUNS):
        place.fresh_links()
        with _bird(configuration, len(prefixes)) as (process, wall):
            theirs.append(Cost(wall, cpu_seconds(process.pid)))
        place.fresh_links()
        command = (*STELLWERK, "apply", str(file), "--state-dir", str(place.fresh_state("apply")))
        ours.append(of_command(command, said=place.folder / "said"))
    return ours, theirs


@contextmanager
def _bird(configuration: Path, size: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Give a BIRD, from when all its routes are in the kernel, and the seconds that took from its start."""
    entries = route_entries()
    begun = time.perf_counter()
    process = subprocess.Popen(["bird", "-f", "-c", str(configuration), "-s", "/run/bird.ctl", "-P", "/run/bird.pid"])
    try:
        until(lambda: process.poll() is not None or route_entries() >= entries + size, "BIRD's routes")
        assert process.poll() is None, "BIRD has ended"
        wall = time.perf_counter() - begun
        until(lambda: "Reading" in _birdc("configure", "check"), "BIRD's answer")
        yield process, wall
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _birdc(*words: str) -> str:
    return run("birdc", "-s", "/run/bird.ctl", *words)


def _configure(process: subprocess.Popen[bytes]) -> Cost:
    """Have BIRD read its file again; return what that costs BIRD, and how long it takes until it is done."""
    used, begun = cpu_seconds(process.pid), time.perf_counter()
    assert "Reconfigured" in _birdc("configure")
    return Cost(time.perf_counter() - begun, cpu_seconds(process.pid) - used)


def _repair(source: str) -> float:
    """Delete a route and return the seconds until the kernel tells that it is there again."""
    with RouteNews() as news:
        run("ip", "-6", "route", "delete", "default", "from", source, "via", GATEWAY, "table", str(PEER_TABLE))
        gone = news.await_one(RTM_DELROUTE, packed(source))
        return news.await_one(RTM_NEWROUTE, packed(source)) - gone


CASE = Case(
    "bird",
    measure,
    {
        INSTALL: "a process is started with a file, until all its routes are in the kernel: `stellwerk apply`, to its"
        " end, which is after a second look; and `bird`, which does not look again. BIRD keeps all sources of one"
        " destination in one list, and here all routes are default routes",
        INSTALL_DESTINATIONS: "`stellwerk apply` and `bird` as above, with as many routes that differ in their"
        " destination instead",
        UNCHANGED: "`stellwerk reconcile`, which reads the file and looks at the kernel; and `birdc configure`, which"
        " reads the file and compares it with BIRD's memory",
        REPAIR: "from the notification that it is gone to the one that it is there again: Stellwerk at the event, BIRD"
        f" at its next scan of the kernel's table (`scan time {SCAN_SECONDS}`)",
    },
)
