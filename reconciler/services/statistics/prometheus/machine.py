"""The machine that the node runs on."""

from __future__ import annotations

import os
from collections.abc import Iterator

from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.prometheus.metrics import Part, Sample, counter, gauge

LOAD = {
    minutes: gauge(f"stellwerk_machine_load{minutes}", f"How many processes ran or waited to, over {words}.")
    for minutes, words in ((1, "a minute"), (5, "5 minutes"), (15, "15 minutes"))
}
UPTIME = gauge("stellwerk_machine_uptime_seconds", "How long ago the machine started.")
MEMORY = gauge("stellwerk_machine_memory_bytes", "Memory: total, free, buffers, cached, available.", "kind")
CPU = counter("stellwerk_machine_cpu_seconds_total", "What the time of all processors together went into.", "mode")
CORES = gauge("stellwerk_machine_cores", "How many processors there are.")
PROCESSES = gauge("stellwerk_machine_processes", "How many processes there are.")
RUNNING = gauge("stellwerk_machine_processes_running", "How many processes run or could run now.")
ROOTFS = gauge("stellwerk_machine_rootfs_used_ratio", "The share of the root file system that is used, from 0 to 1.")


def read(figures: Figures) -> Iterator[Sample]:
    """Yield the figures of the machine."""
    found = figures.system()
    for metric, load in zip(LOAD.values(), found.load, strict=True):
        yield metric.is_(load)
    yield UPTIME.is_(found.uptime_seconds)
    for kind, size in found.memory.items():
        yield MEMORY.is_(size, kind)
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    for mode, ticks in found.cpu.items():
        yield CPU.is_(ticks / ticks_a_second, mode)
    yield CORES.is_(found.cores)
    yield PROCESSES.is_(found.processes_total)
    yield RUNNING.is_(found.processes_running)
    yield ROOTFS.is_(found.rootfs_usage)


PART = Part("machine", (*LOAD.values(), UPTIME, MEMORY, CPU, CORES, PROCESSES, RUNNING, ROOTFS), read)
