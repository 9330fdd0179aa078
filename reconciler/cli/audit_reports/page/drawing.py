"""The page as HTML, with its style and script inside, which are all that its policy allows to run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reconciler.cli.audit_reports.page.view import MOST_LINKS, view
from reconciler.cli.audit_reports.wording import line, place, plural
from reconciler.core.audit import Audit

LONGEST_TEXT = 300


def draw(audit: Audit) -> str:
    """Return the page."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    template = _environment().get_template("page.html")
    # Both are files of this package, and closed by no tag that they contain.
    return template.render(view=view(audit), style=Markup(style), script=Markup(script), policy=policy).strip() + "\n"  # noqa: S704


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    """Return what a Content-Security-Policy knows an inline style or script by (CSP 3, 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shown(value: Any) -> Any:
    """Return what a template is to write for a value: one line, nothing invisible, nothing endless."""
    return line(value, LONGEST_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _marked(text: str) -> Markup:
    """Return a text with what stands between backticks as code."""
    parts = line(text, LONGEST_TEXT).split("`")
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    pieces = (
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
    return Markup("").join(pieces)


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=PackageLoader(__package__, "."),
        undefined=StrictUndefined,
        finalize=_shown,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plural"] = plural
    environment.filters["place"] = place
    environment.filters["marked"] = _marked
    environment.filters["lines"] = lambda text: [one for one in str(text).splitlines()[:20] if one.strip()]
    # Numbers of our own: whole, however long.
    environment.filters["path"] = Markup
    environment.globals["MOST_LINKS"] = MOST_LINKS
    return environment
