"""How the machine does."""

from __future__ import annotations

from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.mesh import mesh_links
from reconciler.services.statistics.respondd.provider import provider


@provider("statistics", "uptime")
def uptime(figures: Figures) -> float:
    """Return the seconds since it was started."""
    return figures.system().uptime_seconds


@provider("statistics", "idletime")
def idletime(figures: Figures) -> float:
    """Return the seconds its processors had nothing to do, in sum."""
    return figures.system().idle_seconds


@provider("statistics", "loadavg")
def loadavg(figures: Figures) -> float:
    """Return the load of the last minute."""
    return figures.system().load[0]


@provider("statistics", "rootfs_usage")
def rootfs_usage(figures: Figures) -> float:
    """Return how much of the root file system is used, from 0 to 1."""
    return figures.system().rootfs_usage


@provider("statistics", "memory")
def memory(figures: Figures) -> dict[str, int]:
    """Return the memory in kB."""
    return {name: value // 1024 for name, value in figures.system().memory.items()}


@provider("statistics", "processes")
def processes(figures: Figures) -> dict[str, int]:
    """Return how many there are, and how many of them run."""
    machine = figures.system()
    return {"total": machine.processes_total, "running": machine.processes_running}


@provider("statistics", "stat")
def stat(figures: Figures) -> dict[str, dict[str, int]]:
    """Return what its processors did, in ticks (proc(5))."""
    return {"cpu": dict(figures.system().cpu)}


@provider("statistics", "clients")
def clients(figures: Figures) -> dict[str, int]:
    """Return that no clients are counted: of those the kernel knows nothing, and readers expect a number."""
    return dict.fromkeys(("wifi", "wifi24", "wifi5", "total"), 0)


@provider("statistics", "traffic")
def traffic(figures: Figures) -> dict[str, dict[str, int]]:
    """Return what the interfaces of the mesh received and sent, in sum."""
    links = figures.links()
    ours = [links[one.name] for one in mesh_links(figures) if one.name in links]
    return {
        "rx": {
            "bytes": sum(one.rx_bytes for one in ours),
            "packets": sum(one.rx_packets for one in ours),
            "dropped": sum(one.rx_dropped for one in ours),
        },
        "tx": {
            "bytes": sum(one.tx_bytes for one in ours),
            "packets": sum(one.tx_packets for one in ours),
            "dropped": sum(one.tx_dropped for one in ours),
        },
    }
