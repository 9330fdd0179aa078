"""What /proc says of the machine, and firmware of its model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.backends.machine_figures import MachineFigures, cpu_of, load_of, memory_of, model_of, uptime_of

MEMINFO = """MemTotal:         124516 kB
MemFree:           30212 kB
MemAvailable:      41232 kB
Buffers:             512 kB
Cached:            21044 kB
SwapCached:            0 kB
HugePages_Total:       0
"""
STAT = """cpu  2255 34 2290 22625563 6290 127 456 0 0 0
cpu0 1132 34 1441 11311718 3675 127 438 0 0 0
intr 114930548 113199788 3 0
procs_running 2
"""


def test_the_memory_is_in_bytes() -> None:
    assert memory_of(MEMINFO) == {
        "total": 124516 * 1024,
        "free": 30212 * 1024,
        "available": 41232 * 1024,
        "buffers": 512 * 1024,
        "cached": 21044 * 1024,
    }


def test_an_old_kernel_tells_less() -> None:
    assert memory_of("MemTotal: 64 kB\nMemFree: x kB\nBuffers:\n") == {"total": 65536}
    assert cpu_of("cpu  1 2 3 4\n") == {"user": 1, "nice": 2, "system": 3, "idle": 4}


def test_the_load_the_tasks_and_the_times() -> None:
    assert load_of("0.52 1.05 2.00 3/127 4711\n") == ((0.52, 1.05, 2.0), 3, 127)
    assert uptime_of("350735.47 234388.90\n") == (350735.47, 234388.90)
    assert cpu_of(STAT) == {
        **{"user": 2255, "nice": 34, "system": 2290, "idle": 22625563},
        **{"iowait": 6290, "irq": 127, "softirq": 456},
    }


@given(st.text(max_size=60))
def test_what_is_not_understood_is_left_out_or_zero(text: str) -> None:
    assert load_of(f"x{text}") == ((0.0, 0.0, 0.0), 0, 0)
    assert uptime_of(f"x{text}") == (0.0, 0.0)
    assert cpu_of(f"x{text}") == {}
    assert isinstance(memory_of(text), dict)


@pytest.mark.parametrize(
    ("maker", "product", "model"),
    [
        ("", "TP-Link Archer C7 v2\0", "TP-Link Archer C7 v2"),
        ("PC Engines\n", "apu2\n", "PC Engines apu2"),
        ("QEMU\n", "Standard PC (Q35 + ICH9, 2009)\n", "QEMU Standard PC (Q35 + ICH9, 2009)"),
        ("LENOVO", "Lenovo ThinkPad", "Lenovo ThinkPad"),
        ("To Be Filled By O.E.M.", "To Be Filled By O.E.M.", None),
        ("ASUS", "System Product Name", None),
        ("Default string", "J4125", "J4125"),
        ("", "", None),
        ("Maker", "", None),
        ("", "a\x1b[2Jb\x00", "a [2Jb"),
    ],
)
def test_the_model_is_what_firmware_calls_it(maker: str, product: str, model: str | None) -> None:
    assert model_of(maker, product) == model


def test_this_machine() -> None:
    machine = MachineFigures()
    before = machine.look()
    now = machine.look()
    assert before.uptime_seconds <= now.uptime_seconds
    assert now.cores >= 1
    assert 0 < now.memory["free"] <= now.memory["total"]
    assert 0 <= now.rootfs_usage <= 1
    assert sum(now.cpu.values()) >= sum(before.cpu.values()) > 0
    assert now.processes_total >= 1
