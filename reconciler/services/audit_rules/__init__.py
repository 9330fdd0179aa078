"""What objects of others mean for the safety of a node: one module per rule.

Every module of this package has a function ``findings(case, node)``, by which it is found; there is no list to join. It
yields what it finds, each with the key of the object, of which nothing else is said then.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import cast

from intent.document import Node
from reconciler.core.auditing import Case, Found

Rule = Callable[[Case, Node], Iterator[Found]]


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules, in the order of their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(Rule, importlib.import_module(f"{__name__}.{name}").findings) for name in names)
