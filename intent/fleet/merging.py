"""Merging one file's fields over another's: mappings field by field, lists of named things by their names.

By what the items of a list are told apart, their model says: ``merge_key``. A list whose items have none is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticCustomError, ValidationError

from intent.display import quoted
from intent.features import features
from intent.fleet.layers import MARKER
from intent.runs import Run
from intent.source import Report
from intent.tree import Entry, Mapping, Path, Scalar, Sequence, Tree
from intent.validation import fields_of, meant, model_at

REMOVE, REPLACE, ADD = "$remove", "$replace", "$add"
_MARKERS = (REMOVE, REPLACE, ADD)

Overridden = dict[int, tuple[Tree, ...]]
"""By the `id` of a value of the merged tree: what it took the place of, the latest first."""


@lru_cache(maxsize=4096)
def item_model(path: Path) -> type[BaseModel] | None:
    """Return the model of the items of the list at a path of a node file, whose own items are all 0 in it."""
    feature = features().get(str(path[0])) if path else None
    return None if feature is None else model_at(feature.model, (*path[1:], 0))


@lru_cache(maxsize=4096)
def merge_key(path: Path) -> str | None:
    """Return the field by which the items of the list at a path are told apart, ``None`` where there is none."""
    found: str | None = getattr(item_model(path), "merge_key", None)
    return found


@lru_cache(maxsize=256)
def _key_type(model: type[BaseModel], key: str) -> TypeAdapter[Any]:
    field = fields_of(model)[key]
    annotation: Any = field.annotation
    for part in field.metadata:
        annotation = Annotated[annotation, part]
    return TypeAdapter(annotation)


@lru_cache(maxsize=1 << 16)
def _one_spelling(model: type[BaseModel], key: str, value: Hashable) -> Hashable:
    """Return the value that a name stands for, so that two spellings of a prefix are one."""
    try:
        return _hashable(_key_type(model, key).validate_python(value, strict=True))
    except (ValidationError, PydanticCustomError):
        return value


def _hashable(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value  # type: ignore[no-any-return]


class Merger:
    """Merges trees, none of which it changes, and reports markers that are wrong.

    ``written`` gives a value without ``${…}``, for the names of items. ``overridden`` is filled where it is given.
    """

    def __init__(self, report: Report, written: Callable[[Tree], Any], overridden: Overridden | None = None) -> None:
        self._report = report
        self._written = written
        self._overridden = overridden
        # Values are told by their `id` in `overridden`, so that none may go.
        self._kept: list[Tree] = []

    def root(self, base: Mapping, over: Mapping, marked: bool) -> Mapping:
        """Return the fields of one file over those of others; ``marked``: there are markers in it."""
        return self._mapping(base, over, (), marked)

    def _merge(self, base: Tree | None, over: Tree, path: Path, marked: bool) -> Tree | None:
        if isinstance(over, Mapping):
            if marked and any(key.startswith(MARKER) for key in over.entries):
                return self._marked(base, over, path)
            if isinstance(base, Mapping):
                return self._mapping(base, over, path, marked)
        elif isinstance(over, Sequence) and isinstance(base, Sequence) and merge_key(path) is not None:
            return self._items(base, over, path, marked)
        return self._alone(base, over, path, marked)

    def _alone(self, base: Tree | None, over: Tree, path: Path, marked: bool) -> Tree:
        """Return what takes the place of all that was there."""
        found: Tree = over
        if marked and isinstance(over, Mapping):
            found = self._mapping(Mapping(over.line, over.column), over, path, marked)
        elif marked and isinstance(over, Sequence):
            found = self._items(_list_of(over, []), over, path, marked)
        self._note(base, found)
        return found

    def _note(self, base: Tree | None, found: Tree) -> None:
        if self._overridden is not None and base is not None and base is not found:
            self._kept += (base, found)
            self._overridden[id(found)] = (base, *self._overridden.get(id(base), ()))

    def _mapping(self, base: Mapping, over: Mapping, path: Path, marked: bool) -> Mapping:
        merged = Mapping(over.line, over.column)
        merged.entries = entries = dict(base.entries)
        for key, entry in over.entries.items():
            if entry.value is None:
                continue
            before = entries.get(key)
            value = self._merge(None if before is None else before.value, entry.value, (*path, key), marked)
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = entry if value is entry.value else Entry(entry.line, entry.column, value)
        return merged

    def _items(self, base: Sequence, over: Sequence, path: Path, marked: bool) -> Sequence:
        """Return the items of both lists, those of the same name merged."""
        items: list[Tree | None] = list(_each(base))
        key = merge_key(path)
        # Of two items of the same name in one file the first is merged; the other shows what is wrong.
        places: dict[Hashable, int] = {}
        for index, item in enumerate(items):
            if key is not None and (name := self._name(item, path, key)) is not None:
                places.setdefault(name, index)
        inside = (*path, 0)
        for item in _each(over):
            name = None if key is None else self._name(item, path, key)
            at = None if name is None else places.pop(name, None)
            if at is not None:
                items[at] = self._merge(items[at], item, inside, marked)
            else:
                items.append(self._merge(None, item, inside, marked))
        return _list_of(over, [item for item in items if item is not None])

    def _name(self, item: Tree | None, path: Path, key: str) -> Hashable:
        """Return by what an item is told from the others, ``None`` where that is not written."""
        entry = item.entries.get(key) if isinstance(item, Mapping) else None
        model = item_model(path)
        if entry is None or entry.value is None or model is None:
            return None
        value = self._written(entry.value)
        hashed = _hashable(value)
        if hashed is not value:
            return hashed
        return _one_spelling(model, key, hashed)

    def _marked(self, base: Tree | None, over: Mapping, path: Path) -> Tree | None:
        markers = [key for key in over.entries if key.startswith(MARKER)]
        unknown = [key for key in markers if key not in _MARKERS]
        for key in unknown:
            near = meant(key, _MARKERS)
            known = "known are " + ", ".join(f"`{marker}`" for marker in _MARKERS)
            advice = known if near is None else f"did you mean `{near}`?"
            self._report.add(over.entries[key][:2], f"{quoted(key)} is no marker for merging", advice)
        if unknown:
            return base
        if len(markers) > 1:
            place = over.entries[markers[1]][:2]
            self._report.add(place, f"`{markers[1]}` and `{markers[0]}` cannot stand together")
            return base
        value = over.entries[markers[0]].value
        if value is None:
            return base
        merge = {REMOVE: self._remove, REPLACE: self._replace, ADD: self._add}[markers[0]]
        return merge(base, over, value, path)

    def _remove(self, base: Tree | None, over: Mapping, value: Tree, path: Path) -> Tree | None:
        place = over.entries[REMOVE][:2]
        key = merge_key(path[:-1]) if path and path[-1] == 0 else None
        others = [name for name in over.entries if name not in (REMOVE, key)]
        if not _is_true(value):
            self._report.add(place, f"`{REMOVE}` must be `true`", "leave it out to keep what is there")
        elif others:
            advice = "what is removed needs no fields"
            self._report.add(over.entries[others[0]][:2], f"{quoted(others[0])} stands beside `{REMOVE}`", advice)
        elif base is None:
            advice = "it would have to be in what is merged before: `defaults`, the groups and the roles of the node"
            self._report.add(place, self._nothing_to_remove(over, path, key), advice)
        return None

    def _nothing_to_remove(self, over: Mapping, path: Path, key: str | None) -> str:
        named = next((step for step in reversed(path) if isinstance(step, str)), "")
        if not path or path[-1] != 0:
            return f"there is no `{named}` to remove"
        if key is None or key not in over.entries:
            return (
                f"which item of `{named}` is to be removed is not said"
                if key
                else (f"the items of `{named}` have no names by which one could be removed; `{REPLACE}` all of them")
            )
        written = over.entries[key].value
        shown = quoted(str(self._written(written))) if isinstance(written, Scalar) else "such an item"
        return f"there is no {shown} in `{named}` to remove"

    def _replace(self, base: Tree | None, over: Mapping, value: Tree, path: Path) -> Tree | None:
        if isinstance(value, Sequence) and len(over.entries) == 1:
            return self._alone(base, value, path, True)
        if _is_true(value):
            rest = Mapping(over.line, over.column)
            rest.entries = {key: entry for key, entry in over.entries.items() if key != REPLACE}
            return self._alone(base, rest, path, True)
        advice = f"such as `{{{REPLACE}: [one, two]}}`, or `{REPLACE}: true` beside the fields that are to be all"
        self._report.add(over.entries[REPLACE][:2], f"`{REPLACE}` takes a list that stands alone, or `true`", advice)
        return base

    def _add(self, base: Tree | None, over: Mapping, value: Tree, path: Path) -> Tree | None:
        place = over.entries[ADD][:2]
        key = merge_key(path)
        if not isinstance(value, Sequence) or len(over.entries) > 1:
            self._report.add(place, f"`{ADD}` takes a list and stands alone", f"such as `{{{ADD}: [one, two]}}`")
        elif key is not None:
            advice = f"write the list alone: its items are added to those with another `{key}`"
            self._report.add(place, f"`{ADD}` is for lists whose items have no names", advice)
        elif base is None:
            return self._alone(None, value, path, True)
        elif not isinstance(base, Sequence):
            self._report.add(place, f"`{ADD}` finds no list here that was written before", "write the whole value")
        else:
            more = self._alone(None, value, path, True)
            assert isinstance(more, Sequence)  # noqa: S101 - a list stays one
            both = Sequence(value.line, value.column)
            both.parts = [*base.parts, *more.parts]
            return both
        return base


def _each(sequence: Sequence) -> Iterator[Tree]:
    for part in sequence.parts:
        if isinstance(part, Run):
            yield from (Scalar(part.line_of(index), part.column, text) for index, text in enumerate(part.texts))
        else:
            yield part


def _is_true(value: Tree) -> bool:
    return isinstance(value, Scalar) and value.value is True


def _list_of(place: Sequence, items: list[Tree]) -> Sequence:
    found = Sequence(place.line, place.column)
    found.parts = list(items)
    return found
