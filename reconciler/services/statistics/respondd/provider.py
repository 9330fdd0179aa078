"""Providers: a small function for each value that is told, found in the modules of a package.

::

    @provider("statistics", "uptime")
    def uptime(figures: Figures) -> float:
        return figures.system().uptime_seconds

The words are the section and the names below it. Where the section stands alone, the function gives several names with
their values. None leaves the value out.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol, TypeVar

from reconciler.services.statistics.figures import Figures

SECTIONS = ("neighbours", "nodeinfo", "statistics")

Function = TypeVar("Function", bound=Callable[[Figures], Any])


class Make(Protocol):
    """Makes a value of some entries."""

    def __call__(self, entries: Sequence[Any], /) -> Any:
        """Return the value as JSON has it."""


class Long(NamedTuple):
    """A value of any number of entries, the best first, which may be made of fewer where an answer is too long."""

    entries: Sequence[Any]
    make: Make


class Provider(NamedTuple):
    """A function, the section it is for, and the place of its value in there."""

    section: str
    place: tuple[str, ...]
    function: Callable[[Figures], Any]

    @property
    def name(self) -> str:
        """The place of the value, or the function where it gives several."""
        return ".".join((self.section, *(self.place or (self.function.__name__,))))


def provider(section: str, *place: str) -> Callable[[Function], Function]:
    """Declare that a function gives the value at this place of a section; one function may have several places."""
    if section not in SECTIONS:
        raise ValueError(f"there is no section {section}; there are {', '.join(SECTIONS)}")

    def declare(function: Function) -> Function:
        declared: list[Provider] = function.__dict__.setdefault("providers", [])
        declared.append(Provider(section, place, function))
        return function

    return declare


def providers_in(package: ModuleType) -> tuple[Provider, ...]:
    """Import the modules of a package and return the providers in them, in the order of modules and their lines."""
    found: list[Provider] = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            # Not what it imports of another module.
            if getattr(value, "__module__", None) == module.__name__:
                found += getattr(value, "providers", ())
    return tuple(found)
