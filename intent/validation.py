"""Values of a file into models, with every problem in plain words at its place."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from functools import cache, lru_cache
from itertools import islice
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError
from pydantic.fields import FieldInfo

from intent import tree
from intent.display import quoted
from intent.field_types import WRONG, described
from intent.source import Report, may_be_shown, names_a_secret
from intent.yaml_spelling import as_yaml

M = TypeVar("M", bound=BaseModel)
PORTION = 2000
"""How many items of a long list are validated at a time."""
MOST_AT_ONCE = 150_000
"""How many values are validated at once where only some of them are in a list that is the whole of a feature."""


class Model(BaseModel):
    """Base of the models of a node file: strict, frozen, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    words: ClassVar[str]
    """What an error calls this, with its article, such as ``a mesh interface``."""
    merge_key: ClassVar[str | None] = None
    """The field by which items of lists are told apart where the files of a fleet are merged."""


def validate(model: type[M], value: tree.Tree, at: tree.Path, report: Report) -> M | None:
    """Return the model of a value, ``None`` when something in it is wrong, which is then reported.

    ``at`` is the way from the root of the file to the value, for messages.
    """
    if tree.size(value) > MOST_AT_ONCE and not _right_in_pieces(model, value, at, report):
        return None
    if issubclass(model, RootModel) and isinstance(value, tree.Sequence) and len(value) > PORTION:
        return _validate_in_portions(model, value, at, report)
    try:
        return model.model_validate(tree.plain(value))
    except ValidationError as exc:
        _Problems(model, value, at, report).explain(exc)
        return None


def _right_in_pieces(model: type[M], value: tree.Tree, at: tree.Path, report: Report) -> bool:
    """Return whether all is right, looked at piece by piece: pydantic takes a kilobyte for each error."""
    right = True
    for piece in tree.pieces(value, PORTION):
        try:
            model.model_validate(tree.plain(piece))
        except ValidationError as exc:
            _Problems(model, piece, at, report).explain(exc)
            right = False
        if report.full:
            return False
    return right


def _validate_in_portions(model: type[M], value: tree.Sequence, at: tree.Path, report: Report) -> M | None:
    """Do as `validate` does for a long list, in portions, because pydantic makes an object of every error at once."""
    items: list[Any] = []
    right = True
    values = value.plain()
    for start in range(0, len(value), PORTION):
        try:
            portion = model.model_validate(tuple(islice(values, PORTION)))
        except ValidationError as exc:
            _Problems(model, value, at, report, start).explain(exc)
            right = False
        else:
            items.extend(portion.root)  # type: ignore[attr-defined]
        if report.full:
            return None
    return model.model_validate(tuple(items)) if right else None


@lru_cache(maxsize=256)
def meant(word: str, known: tuple[str, ...]) -> str | None:
    """Return the known word that a misspelt one was probably meant to be."""
    squeezed = {name.replace("_", ""): name for name in known}
    simple = word[:60].lower().replace("-", "").replace("_", "")
    near = difflib.get_close_matches(simple, list(squeezed), 1)
    return squeezed[near[0]] if near else None


class _Problems:
    """The problems of one value against one model."""

    def __init__(
        self, model: type[BaseModel], value: tree.Tree, at: tree.Path, report: Report, first_item: int = 0
    ) -> None:
        self._model = model
        self._first_item = first_item
        self._value = value
        self._at = at
        self._report = report
        # Fields that a misspelt one was probably meant to be: that they are missing need not be said as well.
        self._meant: set[tree.Path] = set()

    def explain(self, error: ValidationError) -> None:
        """Report all that pydantic found."""
        errors = error.errors(include_url=False, include_input=True)
        # Misspelt fields first: what they were meant to be is then not missing.
        for number, one in enumerate(sorted(errors, key=lambda one: one["type"] != "extra_forbidden")):
            if self._report.full:
                self._report.more += len(errors) - number
                return
            path = one["loc"]
            if self._first_item:
                # A root model's errors begin with the number of the item, here within the portion.
                path = (self._first_item + int(path[0]), *path[1:])
            self._explain_one(one["type"], path, one.get("input"), one.get("ctx", {}))

    def _explain_one(self, kind: str, path: tree.Path, value: object, context: Mapping[str, Any]) -> None:
        if kind == "extra_forbidden":
            self._unknown(path)
        elif kind == "missing":
            self._missing(path)
        elif kind == WRONG:
            self._report.add(
                tree.place(self._value, path), f"{self._subject(path)} {context['message']}", context["suggestion"]
            )
        else:
            self._wrong_shape(kind, path, value)

    def _unknown(self, path: tree.Path) -> None:
        *parent, name = path
        model = model_at(self._model, tuple(parent))
        fields = field_names(model)
        near = meant(str(name), fields)
        known = "known here: " + ", ".join(f"`{field}`" for field in fields)
        suggestion = known if near is None else f"did you mean `{near}`?"
        if near is not None:
            self._meant.add((*parent, near))
        hidden = self._is_secret(tuple(parent)) and not may_be_shown(str(name))
        shown = "this" if hidden else quoted(str(name))
        self._report.add(
            tree.place(self._value, path, at_key=True), f"{shown} is not a field of {words_of(model)}", suggestion
        )

    def _missing(self, path: tree.Path) -> None:
        parent = tree.follow(self._value, path[:-1])
        if path in self._meant or not isinstance(parent, tree.Mapping):
            return
        if parent.incomplete or path[-1] in parent.entries:
            return
        model = model_at(self._model, path[:-1])
        example = example_of(model, str(path[-1]))
        self._report.add(
            tree.place(self._value, path[:-1]),
            f"{words_of(model)} needs `{path[-1]}`",
            None if example is None else f"such as `{path[-1]}: {example}`",
        )

    def _wrong_shape(self, kind: str, path: tree.Path, value: object) -> None:
        found = "" if self._is_secret(path) else f", not {described(value)}"
        place = tree.place(self._value, path)
        model = model_at(self._model, path)
        subject = self._subject(path)
        if kind in ("tuple_type", "list_type"):
            advice = "write it as [ … ], or each item on a line that begins with `- `"
            self._report.add(place, f"{subject} must be a list{found}", advice)
        elif kind in ("model_type", "dict_type", "model_attributes_type") and model is not None:
            self._report.add(place, f"{subject} must be a mapping{found}", _mapping_advice(model))
        elif kind in ("too_short", "too_long"):
            self._report.add(place, f"{subject} must not be empty")
        else:
            self._report.add(place, f"{subject} is wrong")

    def _is_secret(self, path: tree.Path) -> bool:
        return any(isinstance(step, str) and names_a_secret(step) for step in path)

    def _subject(self, path: tree.Path) -> str:
        """Return what a message begins with: the field's name, for an item that of its list."""
        whole = (*self._at, *path)
        names = [step for step in whole if isinstance(step, str)]
        item = bool(whole) and isinstance(whole[-1], int)
        return ("an item of " if item else "") + (f"`{names[-1]}`" if names else "this")


def model_at(model: type[BaseModel], path: tree.Path) -> type[BaseModel] | None:
    """Return the model at a path inside another, ``None`` where there is none."""
    annotation: Any = model
    for step in path:
        annotation = _strip(annotation)
        if isinstance(step, int):
            annotation = next(iter(get_args(annotation)), None)
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = fields_of(annotation).get(step)
            annotation = None if field is None else field.annotation
        else:
            return None
    annotation = _strip(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _strip(annotation: Any) -> Any:
    """Return the type inside an optional one and of a root model."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next((part for part in get_args(annotation) if part is not type(None)), None)
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _strip(annotation.model_fields["root"].annotation)
    return annotation


def field_names(model: type[BaseModel] | None) -> tuple[str, ...]:
    """Return the names of a model's fields, those that are needed first."""
    if model is None:
        return ()
    fields = fields_of(model)
    return tuple(sorted(fields, key=lambda name: not fields[name].is_required()))


@cache
def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by their names in the file; one may be a keyword of Python."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def words_of(model: type[BaseModel] | None) -> str:
    """Return what errors call a model."""
    return model.words if model is not None and issubclass(model, Model) else "this"


def _mapping_advice(model: type[BaseModel]) -> str:
    """Return an example of the mapping that should stand there."""
    fields = fields_of(model).items()
    needed = [name for name, field in fields if field.is_required()] or [name for name, _ in fields][:1]
    examples = ", ".join(f"{name}: {example_of(model, name, inside=True) or '…'}" for name in needed)
    return f"such as `{{{examples}}}`"


def example_of(model: type[BaseModel] | None, field: str, inside: bool = False) -> str | None:
    """Return the first example of a field as YAML, where it is simple enough to show in a line.

    ``inside`` is for what stands in ``{ }``.
    """
    fields = {} if model is None else fields_of(model)
    examples = fields[field].examples or [] if field in fields else []
    first = examples[0] if examples else None
    simple = isinstance(first, str | int | float) or (
        isinstance(first, list) and all(isinstance(one, str) for one in first)
    )
    return as_yaml(first, inside) if simple else None
