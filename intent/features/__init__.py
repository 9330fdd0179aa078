"""One module per thing that an operator can ask for.

Every module of this package exports a ``FEATURE``, which `features()` finds; there is no list to join.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from intent.feature import Feature


@cache
def features() -> dict[str, Feature[Any]]:
    """Return every feature by its key in the node file, in the order of the keys."""
    found: dict[str, Feature[Any]] = {}
    for module in pkgutil.iter_modules(__path__):
        feature: Feature[Any] = importlib.import_module(f"{__name__}.{module.name}").FEATURE
        if feature.name in found:
            raise TypeError(f"two modules of {__name__} are about {feature.name!r}")
        found[feature.name] = feature
    return dict(sorted(found.items()))
