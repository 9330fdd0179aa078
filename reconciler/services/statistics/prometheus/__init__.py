"""Figures for Prometheus, over HTTP. It costs memory to import, so it is imported only where it is asked for."""

from reconciler.services.statistics.prometheus.exporter import Exporter

__all__ = ["Exporter"]
