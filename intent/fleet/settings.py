"""``fleet.yaml``: what the whole community shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from intent.display import quoted
from intent.document import Version
from intent.field_types import Choice
from intent.fields import InterfaceName, NodeName, Port, PublicKey
from intent.fleet import FLEET_FILE
from intent.fleet.expressions import is_variable_name
from intent.fleet.layers import Layer, report_for
from intent.fleet.variables import NODE, TYPES, Declared, has_expression, typed
from intent.source import Report
from intent.tree import Entry, Mapping, Path, Place, Scalar, Sequence, Tree, place, plain
from intent.validation import Model, meant, validate

_OWN_LINK_FIELDS = ("between", "port")
M = TypeVar("M", bound=BaseModel)


class FleetHead(Model):
    """What ``fleet.yaml`` begins with."""

    words = "fleet.yaml"

    version: Annotated[int, Version()] = Field(description="The version of the language.", examples=[1])
    fleet: NodeName = Field(description="The fleet's name.", examples=["example"])


class VariableDeclaration(Model):
    """A variable: its type, and what it is for."""

    words = "a variable"

    type: Annotated[str, Choice(tuple(TYPES))] = Field(description="What its values are.", examples=["prefix"])
    description: str | None = Field(default=None, description="What it is for.")
    default: str | int | bool | None = Field(
        default=None, description="The value on nodes that set no other. Without it each node that uses it sets one."
    )


class LinkLine(Model):
    """The own fields of a link of the fleet; all others are those of both sides."""

    words = "a link of the fleet"

    between: Annotated[tuple[NodeName, ...], Field(min_length=2)] = Field(
        description="The two nodes.", examples=[["berlin-7", "hamburg-3"]]
    )
    port: Port = Field(description="The UDP port on both sides, 1–65535.", examples=[51901])


class SegmentLine(Model):
    """Nodes that hear each other over a cable or by radio."""

    words = "a segment"

    interface: InterfaceName = Field(description="The interface, of the same name on each.", examples=["mesh0"])
    nodes: tuple[NodeName, ...] = Field(description="The nodes.", examples=[["berlin-7", "roof-1"]])


class KnownKey(Model):
    """A public key of a peer that is no node of the fleet."""

    words = "a known key"

    key: PublicKey = Field(description="The public key.")


@dataclass(frozen=True, slots=True)
class FleetLink:
    """A link between two nodes, from one line. ``tree`` is that line, ``shared`` its fields that both sides have."""

    between: tuple[str, str]
    port: int
    tree: Mapping
    shared: Mapping


@dataclass(frozen=True, slots=True)
class Segment:
    """Nodes that hear each other over the interface of that name. ``place`` is its line of the fleet, and column."""

    interface: str
    nodes: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``fleet.yaml`` says. ``known_keys`` are by name; ``defaults`` are fields of a node file."""

    name: str
    variables: dict[str, Declared]
    defaults: Mapping
    links: tuple[FleetLink, ...]
    segments: tuple[Segment, ...]
    known_keys: dict[str, str]


_FIELDS = (*FleetHead.model_fields, "variables", "defaults", "links", "segments", "known_keys")


def read_settings(layer: Layer, nodes: frozenset[str]) -> Settings:
    """Return what ``fleet.yaml`` says. Raises IntentError with all that is wrong."""
    report = report_for(layer)
    root = layer.root
    refuse_unknown(root, _FIELDS, FLEET_FILE, report)
    head = validate(FleetHead, _part(root, tuple(FleetHead.model_fields)), (), report)
    fields = dict(root.usable())
    found = Settings(
        name="" if head is None else head.fleet,
        variables=dict(_variables(_mapping(fields, "variables", report), report)),
        defaults=_mapping(fields, "defaults", report) or Mapping(root.line, root.column),
        links=tuple(_links(_list(fields, "links", report), nodes, report)),
        segments=tuple(_segments(_list(fields, "segments", report), nodes, report)),
        known_keys=dict(_known_keys(_mapping(fields, "known_keys", report), report)),
    )
    if report:
        raise report.error()
    return found


_ELSEWHERE = {
    "version": "fleet.yaml has it for all",
    "node": "the name of the file in nodes/ is the node's name",
    "groups": "a node's own file names its groups",
    "roles": "a node's own file names its roles",
    "public": "each node's own file has it",
}


def refuse_unknown(
    root: Mapping, known: tuple[str, ...], what: str, report: Report, elsewhere: tuple[str, ...] = ()
) -> None:
    """Report the fields that a file does not have. Those ``elsewhere`` stand in other files, which is then said."""
    for key, entry in root.entries.items():
        if key in elsewhere and key not in known:
            report.add(entry[:2], f"`{key}` is not a field of {what}", _ELSEWHERE[key])
        elif key not in known:
            near = meant(key, known)
            advice = "known here: " + ", ".join(f"`{name}`" for name in known)
            advice = f"did you mean `{near}`?" if near else advice
            report.add(entry[:2], f"{quoted(key)} is not a field of {what}", advice)


def _part(root: Mapping, names: tuple[str, ...]) -> Mapping:
    part = Mapping(root.line, root.column)
    part.entries = {key: entry for key, entry in root.entries.items() if key in names}
    return part


def _mapping(fields: dict[str, Tree], name: str, report: Report) -> Mapping | None:
    tree = fields.get(name)
    if tree is None or isinstance(tree, Mapping):
        return tree
    report.add((tree.line, tree.column), f"`{name}` must be a mapping")
    return None


def _list(fields: dict[str, Tree], name: str, report: Report) -> list[Tree]:
    tree = fields.get(name)
    if isinstance(tree, Sequence):
        return [tree.item(index) for index in range(len(tree))]
    if tree is not None:
        advice = "each item on a line that begins with `- `"
        report.add((tree.line, tree.column), f"`{name}` must be a list", advice)
    return []


def _variables(tree: Mapping | None, report: Report) -> Any:
    for name, entry in () if tree is None else tree.entries.items():
        if entry.value is None:
            continue
        if not is_variable_name(name):
            report.add(entry[:2], f"{quoted(name)} is no name of a variable", "lower-case letters, digits and `_`")
        if name == NODE:
            report.add(entry[:2], f"`{NODE}` is the name of the node, and declared already", "take another name")
        if isinstance(entry.value, Scalar):
            advice = f"such as `{{type: {entry.value.value if entry.value.value in TYPES else 'text'}}}`"
            report.add((entry.value.line, entry.value.column), f"{quoted(name)} must be a mapping", advice)
            continue
        model = validate(VariableDeclaration, entry.value, ("variables", name), report)
        if model is None:
            continue
        default = dict(entry.value.usable()).get("default") if isinstance(entry.value, Mapping) else None
        if default is not None and not has_expression(default):
            typed(name, model.type, plain(default), default, report)
        yield name, Declared(model.type, entry, default)


def _links(items: list[Tree], nodes: frozenset[str], report: Report) -> Any:
    for number, item in enumerate(items):
        own = _part(item, _OWN_LINK_FIELDS) if isinstance(item, Mapping) else item
        line = validate(LinkLine, own, ("links", number), report)
        if line is None or not isinstance(item, Mapping):
            continue
        known = [_is_node(item, ("between", index), name, nodes, report) for index, name in enumerate(line.between)]
        if len(known) != 2 or line.between[0] == line.between[-1]:
            report.add(place(item, ("between",)), "a link is between two nodes", "such as `[berlin-7, hamburg-3]`")
            continue
        shared = Mapping(item.line, item.column)
        shared.entries = {key: entry for key, entry in item.entries.items() if key not in _OWN_LINK_FIELDS}
        for key in ("node", "public_key", "endpoint", "listen_port"):
            if key in shared.entries:
                advice = "it follows from `between`, `port` and what is `public` of the nodes"
                report.add(shared.entries[key][:2], f"`{key}` cannot be the same on both sides", advice)
        yield FleetLink((line.between[0], line.between[1]), line.port, item, shared)


def _segments(items: list[Tree], nodes: frozenset[str], report: Report) -> Any:
    for number, item in enumerate(items):
        line = validate(SegmentLine, item, ("segments", number), report)
        if line is not None:
            for index, name in enumerate(line.nodes):
                _is_node(item, ("nodes", index), name, nodes, report)
            yield Segment(line.interface, line.nodes, (item.line, item.column))


def _known_keys(tree: Mapping | None, report: Report) -> Any:
    for name, value in () if tree is None else tree.usable():
        whole = Mapping(value.line, value.column)
        whole.entries = {"key": Entry(value.line, value.column, value)}
        model = validate(KnownKey, whole, ("known_keys", name), report)
        if model is not None:
            yield name, model.key


def _is_node(tree: Tree, path: Path, name: str, nodes: frozenset[str], report: Report) -> bool:
    if name in nodes:
        return True
    near = meant(name, tuple(sorted(nodes)))
    advice = f"did you mean `{near}`?" if near else f"there is no nodes/{name}.yaml"
    report.add(place(tree, path), f"{quoted(name)} is no node of the fleet", advice)
    return False
