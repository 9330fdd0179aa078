"""The only code that touches the kernel, babeld and files.

Every `Backend` defined in a module of this package is found by `real_backends()`; there is no list to join. The fake
is a package of its own inside and is not one of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from reconciler.core.backend import Backend


def modules() -> Iterator[ModuleType]:
    """Import and yield each module of this package; packages inside it, such as the fake, are none."""
    for info in pkgutil.iter_modules(__path__):
        if not info.ispkg:
            yield importlib.import_module(f"{__name__}.{info.name}")


def real_backends() -> tuple[Backend, ...]:
    """Return one of each backend to the node that the process runs on, not yet opened."""
    found: list[Backend] = []
    for module in modules():
        kinds = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Backend)]
        found += [kind() for kind in kinds if kind.__module__ == module.__name__]
    return tuple(found)
