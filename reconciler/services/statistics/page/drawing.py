"""The page as HTML: a whole, and its parts by name, so that only what has changed is sent again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from jinja2 import ChainableUndefined, Environment, PackageLoader
from markupsafe import Markup

from intent.statistics import Listen
from reconciler.services.statistics.page import words
from reconciler.services.statistics.page.view import View

PARTS = (
    "glance",
    "state",
    "offenders",
    "neighbours",
    "ways-out",
    "links",
    "wireguard",
    "recent",
    "system",
    "services",
)
"""The names of the parts: each is one element whose id is that name."""


class Drawing(NamedTuple):
    """What was drawn: the whole page, and its parts."""

    page: str
    parts: Mapping[str, str]


def draw(view: View) -> Drawing:
    """Return the page for a view."""
    environment = _environment()
    # What templates gave has everything of others escaped.
    parts = {name: Markup(environment.get_template(f"{name}.html").render(view=view).strip()) for name in PARTS}  # noqa: S704
    page = environment.get_template("page.html").render(view=view, parts=parts)
    return Drawing(page.strip() + "\n", parts)


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=PackageLoader(__package__, "templates"),
        undefined=ChainableUndefined,
        finalize=words.shown,
        auto_reload=False,
        trim_blocks=True,
    )
    for one in (words.ago, words.amount, words.lines, words.moment, words.machine_moment, words.rate, words.short_key):
        environment.filters[one.__name__] = one
    environment.filters["plural"] = words.plural
    environment.filters["place"] = place
    # Numbers and letters of our own: whole, however long.
    environment.filters["path"] = Markup
    return environment


def place(listen: Listen) -> str:
    """Return where a server listens, as a URL has it."""
    return f"[{listen.address}]:{listen.port}" if ":" in listen.address else f"{listen.address}:{listen.port}"
