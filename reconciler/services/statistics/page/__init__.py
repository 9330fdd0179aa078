"""The status page of a node: read-only HTML, made on the node, that updates itself.

It needs aiohttp and jinja2, so it is imported only where the page is asked for.
"""

from __future__ import annotations

from reconciler.services.statistics.page.status_page import StatusPage

__all__ = ["StatusPage"]
