"""An audit as one page for a browser, for a node and for a fleet."""

from __future__ import annotations

from reconciler.core.audit import Audit
from reconciler.core.errors import StellwerkError


def render(audit: Audit, *, colour: bool) -> str:
    """Return the page. Raises `StellwerkError` where Jinja2, which draws it, is not installed."""
    try:
        from reconciler.cli.audit_reports.page.drawing import draw
    except ModuleNotFoundError as exc:
        if exc.name not in ("jinja2", "markupsafe"):
            raise
        raise StellwerkError(
            "the page of an audit needs Jinja2, which is not installed; install `stellwerk[audit]` (Debian: "
            "python3-jinja2), or choose another format"
        ) from exc
    return draw(audit)
