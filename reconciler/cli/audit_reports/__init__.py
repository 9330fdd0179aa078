"""Reports of audits: the values of `reconciler.core.audit` as text for people and for machines.

Every module of `reconciler.cli.audit_reports.formats` is one format, which has the module's name and is found by it;
there is no list to join. A module has ``render(audit, *, colour)``, which returns the whole report as text.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from reconciler.cli.audit_reports import formats as _formats
from reconciler.core.audit import Audit
from reconciler.core.errors import StellwerkError


class Format(Protocol):
    """What a module of a format has."""

    def render(self, audit: Audit, *, colour: bool) -> str:
        """Return the report; only text for terminals looks at ``colour``."""


def formats() -> tuple[str, ...]:
    """Return the names of all formats, in alphabetical order; imports none of them."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(_formats.__path__)))


def rendered(audit: Audit, format: str, colour: bool = False) -> str:
    """Return the report of an audit in a format, ending in a newline, in characters that UTF-8 has.

    ``colour`` is for text on a terminal. Raises `StellwerkError` for a format that does not exist, and where a library
    that the format needs is not installed.
    """
    if format not in formats():
        raise StellwerkError(f"no format `{format}` for an audit; choose one of {', '.join(formats())}")
    module = cast(Format, importlib.import_module(f"{_formats.__name__}.{format}"))
    return module.render(audit, colour=colour)
