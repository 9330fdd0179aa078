"""The cases, a module each with a ``CASE``, found by discovery."""

from __future__ import annotations

import importlib
import pkgutil

from tests.bench.case import Case


def cases() -> dict[str, Case]:
    """Return all cases by name."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    found: list[Case] = [module.CASE for module in modules]
    return {case.name: case for case in found}
