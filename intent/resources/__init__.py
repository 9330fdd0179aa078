"""One module per kind of object that a kernel, babeld or the file system holds.

Every `Resource` subclass defined in a module of this package is found by `kinds()`; there is no list to join.
"""

import importlib
import pkgutil
from functools import cache

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
        if "table" in vars(kind):
            tables.setdefault(kind.table, []).append(kind)
    return {
        table: tuple(sorted(members, key=lambda kind: (kind.catch_all, kind.__name__)))
        for table, members in sorted(tables.items())
    }
