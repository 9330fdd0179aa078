"""respondd: what a node tells of itself over UDP to those who draw maps (yanic, hopglass-server, meshviewer)."""

from reconciler.services.statistics.respondd.server import Respondd

__all__ = ["Respondd"]
