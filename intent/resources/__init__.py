"""One module per kind of object that a kernel, babeld or the file system holds.

Every `Resource` subclass defined in a module of this package is found by `kinds()`; there is no list to join.
"""

import importlib
import pkgutil
import sys
from functools import cache
from inspect import isabstract

from intent.resources.resource import Resource


@cache
def kinds() -> dict[str, tuple[type[Resource], ...]]:
    """Return every kind of resource by the table its rows come from; a catch-all kind is last in its table."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    tables: dict[str, list[type[Resource]]] = {}
    pending = list(Resource.__subclasses__())
    while pending:
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        # A dataclass with slots is made twice; the first, without them, is not what its module names.
        named = getattr(sys.modules[kind.__module__], kind.__name__, None)
        if "table" in vars(kind) and kind is named and not isabstract(kind):
            tables.setdefault(kind.table, []).append(kind)
    return {
        table: tuple(sorted(members, key=lambda kind: (kind.catch_all, kind.__name__)))
        for table, members in sorted(tables.items())
    }
