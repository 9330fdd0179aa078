"""The only code that touches the kernel, babeld and files.

Every `Backend` defined in a module of this package is found by `real_backends()`; there is no list to join. The fake
is a package of its own inside and is not one of them.
"""

from __future__ import annotations

import importlib
import pkgutil

from reconciler.core.backend import Backend


def real_backends() -> tuple[Backend, ...]:
    """Return one of each backend to the node that the process runs on, not yet opened."""
    found: list[Backend] = []
    for info in pkgutil.iter_modules(__path__):
        if info.ispkg:
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        kinds = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Backend)]
        found += [kind() for kind in kinds if kind.__module__ == module.__name__]
    return tuple(found)
