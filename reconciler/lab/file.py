"""The file that describes a lab: its models, and what is wrong with it, at its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import Annotated, Any

from pydantic import Field

from intent import tree
from intent.display import quoted
from intent.document import Node
from intent.expansion import references
from intent.fields import Argument, InterfaceName, IPv6Prefix, IPv6Text, NodeName, PublicKey, TrueFalse
from intent.loading import load as load_node
from intent.loading import parse
from intent.problems import IntentError, Problem
from intent.reading import STDIN, decode, read
from intent.references import PresharedKeyFile, PrivateKeyFile
from intent.source import Report
from intent.validation import Model, validate
from reconciler.lab import own_files
from reconciler.lab.fields import (
    VERSION,
    AddressText,
    Delay,
    End,
    EndText,
    LabName,
    LabVersion,
    Loss,
    PlugName,
    TunnelMode,
    Words,
    name_problem,
)


class Line(Model):
    """A provider's line to a node."""

    words = "a line"

    node: NodeName = Field(description="The node that the line leads to.", examples=["exit-kiel"])
    interface: PlugName = Field(description="The interface that is made in the node.", examples=["wan"])
    gateway: AddressText = Field(
        description="The provider's end, with the length of the line's prefix; fe80::1 is there too.",
        examples=["2001:db8:1::1/64"],
    )
    address: AddressText | None = Field(
        default=None,
        description="An address that is put on the node's interface, as its provider would.",
        examples=["2001:db8:1::2/64"],
    )
    default: TrueFalse = Field(
        default=True, description="Whether the node has its own default route over this line, in the main table."
    )
    routes: tuple[IPv6Prefix, ...] = Field(
        default=(), description="What the provider routes to the node over this line.", examples=[["2001:db8:200::/56"]]
    )


class Tunnel(Model):
    """The provider's end of a tunnel of a node."""

    words = "a tunnel"

    node: NodeName = Field(description="The node at the other end.", examples=["exit-berlin"])
    mode: TunnelMode = Field(description="The kind of tunnel, as in the node file.", examples=["ip6gre"])
    local: IPv6Text = Field(description="The provider's outer address.", examples=["2001:db8:ffff::2"])
    remote: IPv6Text = Field(description="The node's outer address.", examples=["2001:db8:2::2"])
    address: AddressText = Field(description="The provider's end inside the tunnel.", examples=["fd00:aa::1/64"])
    routes: tuple[IPv6Prefix, ...] = Field(
        default=(), description="What the provider routes to the node through it.", examples=[["2001:db8:42::/56"]]
    )


class Internet(Model):
    """The Internet."""

    words = "the Internet"

    address: IPv6Text = Field(
        default=IPv6Address("2001:db8:ffff::1"),
        description="A host out there that answers everyone.",
        examples=["2001:db8:ffff::1"],
    )
    lines: tuple[Line, ...] = Field(default=(), description="Providers' lines to nodes.")
    tunnels: tuple[Tunnel, ...] = Field(default=(), description="Providers' ends of tunnels.")


class Wire(Model):
    """A wire."""

    words = "a wire"

    name: LabName = Field(description="The name by which it is broken and healed.", examples=["kiel-n1"])
    between: tuple[EndText, ...] = Field(
        description="The interfaces that it joins, two or more.", examples=[["kiel:mesh0", "n1:mesh0"]]
    )
    delay: Delay = Field(default=0.0, description="How long each frame takes, in either direction.", examples=["5ms"])
    loss: Loss = Field(default=0.0, description="The share of the frames that are lost.", examples=["1%"])


class LabNode(Model):
    """A node."""

    words = "a node of a lab"

    intent: Words | None = Field(
        default=None, description="Its node file, by a path from the lab's file.", examples=["kiel.yaml"]
    )
    keys: dict[str, PublicKey] = Field(
        default_factory=dict,
        description="Files of private keys that are made anew, each with the public key that it stands for: wherever a "
        "node file of the lab names that one, the new one takes its place.",
    )
    babeld: tuple[Argument, ...] = Field(
        default=(), description="Lines of configuration for the babeld of a node without Stellwerk."
    )
    interfaces: tuple[InterfaceName, ...] = Field(
        default=(), description="The interfaces on which the babeld of a node without Stellwerk speaks."
    )
    commands: tuple[Argument, ...] = Field(
        default=(), description="Shell commands that a node without Stellwerk runs first."
    )


class Client(Model):
    """A client."""

    words = "a client"

    at: EndText = Field(description="The node's interface that its cable leads to.", examples=["n1:lan0"])
    address: AddressText = Field(description="Its address.", examples=["2001:db8:200:1::10/64"])
    gateway: IPv6Text = Field(description="Its default route.", examples=["2001:db8:200:1::1"])


class Head(Model):
    """The lab's file. What is below ``nodes`` and ``clients`` is validated one by one."""

    words = "a lab's file"

    lab: Annotated[int, LabVersion()] = Field(description="The version of the language.", examples=[VERSION])
    name: LabName | None = Field(default=None, description="The lab's name.", examples=["three-exits"])
    internet: Internet | None = Field(default=None, description="The Internet.")
    nodes: dict[str, Any] = Field(
        description="The nodes, by their names.", examples=["{roof-1: {intent: roof-1.yaml}}"]
    )
    wires: tuple[Wire, ...] = Field(default=(), description="What joins the nodes.")
    clients: dict[str, Any] = Field(default_factory=dict, description="Hosts at nodes, by their names.")


@dataclass(frozen=True, slots=True)
class LabFile:
    """A lab's file that is right. ``intents`` are the nodes as their node files describe them, by their names."""

    path: str
    name: str
    internet: Internet | None
    nodes: dict[str, LabNode]
    wires: tuple[Wire, ...]
    clients: dict[str, Client]
    intents: dict[str, Node] = field(repr=False)


def load(path: str) -> LabFile:
    """Return the lab that a file describes, and the node files that it names.

    Raises IntentError with every problem of the file, or of the node files.
    """
    # A lab's node files are found from its own place, so it is none that comes over the standard input.
    source = decode(*read(os.path.join(".", path) if path == STDIN else path))
    root, report = parse(source)
    if not isinstance(root, tree.Mapping):
        place = (0, 0) if root is None else (root.line, root.column)
        report.add(place, "a lab's file is a mapping", f"the least is `lab: {VERSION}`, `nodes` and a node")
        raise report.error()
    if "version" in root.entries and "lab" not in root.entries:
        entry = root.entries["version"]
        report.add(
            (entry.line, entry.column),
            "this is a node file, not a lab's",
            "`stellwerk plan` takes it; a lab's file names it: `nodes: {NAME: {intent: FILE}}`",
        )
        raise report.error()
    head = validate(Head, root, (), report)
    nodes = _each(LabNode, root, "nodes", report)
    clients = _each(Client, root, "clients", report)
    if head is not None:
        _check(root, head, nodes, clients, report)
    if report or head is None:
        raise report.error()
    name = head.name or _name_of(path, report)
    return LabFile(path, name, head.internet, nodes, head.wires, clients, _intents(path, root, nodes, report))


def _each(model: type[Any], root: tree.Mapping, name: str, report: Report) -> dict[str, Any]:
    """Return what is right of a mapping from names to models."""
    entry = root.entries.get(name)
    found: dict[str, Any] = {}
    if entry is None or not isinstance(entry.value, tree.Mapping):
        return found
    for key, value in entry.value.usable():
        place = tree.place(root, (name, key), at_key=True)
        problem = name_problem(key)
        if problem:
            report.add(place, f"the name of {model.words} {problem}")
        one = validate(model, value, (name, key), report)
        if one is not None:
            found[key] = one
    if not entry.value.entries:
        report.add((entry.line, entry.column), f"`{name}` must not be empty")
    return found


def _name_of(path: str, report: Report) -> str:
    """Return the lab's name where its file gives none: that of the file. Raises IntentError where it cannot be one."""
    name = os.path.splitext(os.path.basename(path))[0]
    if (problem := name_problem(name)) is not None:
        report.add((0, 0), f"a lab's name {problem}", "give it one: `name: NAME`")
        raise report.error()
    return name


def _check(
    root: tree.Mapping, head: Head, nodes: dict[str, LabNode], clients: dict[str, Client], report: Report
) -> None:
    """Report what is wrong between the parts."""
    _check_nodes(root, nodes, clients, report)
    known = head.nodes.keys()
    used: dict[End, int] = {}
    for path, end in _ends(head, clients):
        place = tree.place(root, path)
        if end.place not in known:
            names = ", ".join(f"`{name}`" for name in known)
            report.add(place, f"there is no node {quoted(end.place)} in this lab", f"there are {names}")
        if path[0] == "clients":
            continue
        if end in used:
            report.add(place, f"`{end}` has a cable already, from line {used[end]}", "an interface has one")
        used.setdefault(end, place[0])
    _check_wires(root, head, report)
    _check_clients(root, clients, report)
    _check_internet(root, head, report)


def _ends(head: Head, clients: dict[str, Client]) -> Iterator[tuple[tree.Path, End]]:
    """Yield the ends of all cables at nodes, each with its place in the file; those of clients may be at one cable."""
    for number, line in enumerate(head.internet.lines if head.internet else ()):
        yield ("internet", "lines", number, "node"), End(line.node, line.interface)
    for number, wire in enumerate(head.wires):
        for index, end in enumerate(wire.between):
            yield ("wires", number, "between", index), end
    for name, client in clients.items():
        yield ("clients", name, "at"), client.at


def _check_nodes(root: tree.Mapping, nodes: dict[str, LabNode], clients: dict[str, Client], report: Report) -> None:
    owners: dict[str, str] = {}
    for name, node in nodes.items():
        at = ("nodes", name)
        for only in ("babeld", "interfaces", "commands"):
            if node.intent is not None and getattr(node, only):
                place = tree.place(root, (*at, only), at_key=True)
                report.add(place, f"`{only}` is for nodes without Stellwerk, and `{name}` has an `intent`")
        for file, key in node.keys.items():
            place = tree.place(root, (*at, "keys", file), at_key=True)
            if node.intent is None:
                report.add(place, f"`keys` are for nodes with an `intent`, which `{name}` has not")
            if not file.startswith("/") or ".." in file.split("/") or file.endswith("/"):
                report.add(place, f"a key's file must be an absolute path, not {quoted(file)}")
            elif (wrong := own_files.problem(file, lasts=True)) is not None:
                report.add(place, wrong, own_files.ADVICE)
            if owners.setdefault(key, name) != name:
                report.add(place, f"this public key is that of `{owners[key]}` already: each node has its own")
    for name in clients.keys() & nodes.keys():
        report.add(tree.place(root, ("clients", name), at_key=True), f"`{name}` is the name of a node already")


def _check_wires(root: tree.Mapping, head: Head, report: Report) -> None:
    first: dict[str, int] = {}
    for number, wire in enumerate(head.wires):
        place = tree.place(root, ("wires", number, "name"))
        if wire.name in first:
            report.add(place, f"wire `{wire.name}` is there already, in line {first[wire.name]}")
        first.setdefault(wire.name, place[0])
        if wire.name in head.nodes or wire.name in head.clients:
            report.add(place, f"`{wire.name}` is the name of a node or client already, which `lab break` could mean")
        if len(wire.between) < 2:
            report.add(tree.place(root, ("wires", number, "between")), "a wire joins two interfaces or more")


def _check_clients(root: tree.Mapping, clients: dict[str, Client], report: Report) -> None:
    for name, client in clients.items():
        place = tree.place(root, ("clients", name, "gateway"))
        if client.gateway == client.address.ip:
            report.add(place, f"`{client.gateway}` is the client's own address")
        elif client.gateway not in client.address.network and not client.gateway.is_link_local:
            report.add(
                place,
                f"`{client.gateway}` is not in the client's network, `{client.address.network}`",
                "a gateway is a neighbour: an address of that network, or a link-local one",
            )


def _check_internet(root: tree.Mapping, head: Head, report: Report) -> None:
    internet = head.internet
    if internet is None:
        return
    for number, line in enumerate(internet.lines):
        at = ("internet", "lines", number)
        if line.address is not None and line.address.ip not in line.gateway.network:
            report.add(
                tree.place(root, (*at, "address")),
                f"`{line.address}` is not in the network of the gateway, `{line.gateway.network}`",
            )
        if line.address is not None and line.address.ip == line.gateway.ip:
            report.add(tree.place(root, (*at, "address")), f"`{line.address.ip}` is the gateway's own address")
    for number, tunnel in enumerate(internet.tunnels):
        if tunnel.node not in head.nodes:
            place = tree.place(root, ("internet", "tunnels", number, "node"))
            names = ", ".join(f"`{name}`" for name in head.nodes)
            report.add(place, f"there is no node {quoted(tunnel.node)} in this lab", f"there are {names}")


def networks(line: Line) -> tuple[IPv6Network, ...]:
    """Return where packets that come in by a line may be from (BCP 38)."""
    return (line.gateway.network, *line.routes)


def _intents(path: str, root: tree.Mapping, nodes: dict[str, LabNode], report: Report) -> dict[str, Node]:
    """Return the nodes by their node files. Raises IntentError with the problems of all of them."""
    found: dict[str, Node] = {}
    problems: list[Problem] = []
    for name, node in nodes.items():
        if node.intent is None:
            continue
        file = os.path.join(os.path.dirname(path), node.intent)
        if not os.path.exists(file):
            place = tree.place(root, ("nodes", name, "intent"))
            report.add(place, f"there is no file {quoted(file)}", "its path is from the lab's file")
            continue
        try:
            found[name] = load_node(file)
        except IntentError as exc:
            problems += exc.problems
        else:
            _check_files(tree.place(root, ("nodes", name, "intent")), found[name], report)
    if not report and not problems:
        _check_keys(root, nodes, found, report)
    if report or problems:
        raise IntentError([*report.error().problems, *problems])
    return found


def _check_keys(root: tree.Mapping, nodes: dict[str, LabNode], intents: dict[str, Node], report: Report) -> None:
    """Report keys that nothing would use: what they were to replace would stay as it is."""
    for name, node in nodes.items():
        used = key_files(intents[name]) if name in intents else frozenset()
        for path, public in node.keys.items():
            at = ("nodes", name, "keys", path)
            if path not in used:
                there = ", ".join(f"`{one}`" for one in sorted(used)) or "none"
                report.add(
                    tree.place(root, at, at_key=True),
                    f"no key of `{name}` is in {quoted(path)}",
                    f"the key files that its node file names: {there}",
                )
            if not any(public in other.source.text for other in intents.values()):
                report.add(
                    tree.place(root, at),
                    "no node file of this lab names this public key",
                    "it is the one by which the other nodes know this key, as it stands in their node files",
                )


def key_files(node: Node) -> frozenset[str]:
    """Return the files of keys that a node file names."""
    found = references(node)
    return frozenset(one.path for one in found if isinstance(one, PrivateKeyFile | PresharedKeyFile))


def _check_files(place: tuple[int, int], node: Node, report: Report) -> None:
    """Report files of a node that would be the machine's, or would not be there for the node."""
    keys = key_files(node)
    for path in sorted(keys | own_files.babelds_of(node)):
        wrong = own_files.problem(path, lasts=path in keys)
        if wrong is not None:
            report.add(place, f"{wrong}; its node file names it", own_files.ADVICE)
