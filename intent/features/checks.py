"""``checks``: what shows that a node is well after a change."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, RootModel

from intent.checks import (
    DEFAULT_NOT_OLDER_THAN_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    BabelNeighbours,
    Check,
    Ping,
    Program,
    TcpPort,
    WireGuardHandshake,
)
from intent.durations import Duration, spelled
from intent.feature import Feature, Finding
from intent.features.confirm import Confirm
from intent.features.links import Links, is_link_name
from intent.features.mesh import Mesh
from intent.features.wireguard import WireGuard
from intent.field_types import Between
from intent.fields import AnyAddress, Argument, EndpointText, InterfaceName, PublicKey
from intent.references import References
from intent.resources.resource import Resource
from intent.tree import Path
from intent.validation import Model, meant

if TYPE_CHECKING:
    from intent.document import Node

MOST_CHECKS = 50
"""All are carried out at the same time, on routers with little memory too."""


class Form(NamedTuple):
    """A kind of check: the fields that go with it, the value that an item of the kind means, what is wrong with it."""

    options: tuple[str, ...]
    value: Callable[[CheckItem, Node], Check | None]
    findings: Callable[[int, CheckItem, Node], Iterator[Finding]]


class CheckItem(Model):
    """A check, of exactly one kind."""

    words = "a check"
    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(
            oneOf=[{"required": [kind]} for kind in FORMS],
            dependentSchemas={
                option: {"anyOf": [{"required": [kind]} for kind in kinds]} for option, kinds in _belonging().items()
            },
        )
    )

    ping: AnyAddress | None = Field(
        default=None,
        description="An IPv6 or IPv4 address that must answer an echo request. It goes out as the node's own packets "
        "do.",
        examples=["2001:db8:ffff::1"],
    )
    babel_neighbours: Annotated[int, Between(1, 10_000)] | None = Field(
        default=None,
        description="How many neighbours babel must have at least that it can send to, 1–10000, on `interface` or on "
        "all together.",
        examples=[1],
    )
    wireguard_handshake: InterfaceName | None = Field(
        default=None,
        description="A WireGuard interface of this file with a peer, or with the one named by `peer`, whose last "
        "handshake is recent. It shows that the tunnel worked then: one from before a change counts too, and only a "
        "`ping` through the tunnel shows more.",
        examples=["wg-mesh"],
    )
    tcp: EndpointText | None = Field(
        default=None,
        description="What must accept a TCP connection: `name:port`, `[IPv6 address]:port` or `IPv4 address:port`.",
        examples=["[2001:db8::1]:443"],
    )
    program: Annotated[tuple[Argument, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="A program that must end with status 0, as a list of its absolute path and its arguments, run "
        "without a shell. It ends with its `timeout` at the latest, and all that it started in its process group "
        "with it.",
        examples=[["/usr/local/bin/is-well", "now"]],
    )
    interface: InterfaceName | None = Field(
        default=None,
        description="Of `ping`: the interface to send through, which link-local addresses need; by default routing "
        "decides. Of `babel_neighbours`: the mesh interface to count on.",
        examples=["mesh0"],
    )
    peer: PublicKey | None = Field(
        default=None,
        description="Of `wireguard_handshake`: the public key of the peer it is about. By default any will do.",
        examples=["hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="],
    )
    not_older_than: Annotated[int, Duration(1, 86400)] = Field(
        default=DEFAULT_NOT_OLDER_THAN_SECONDS,
        description="Of `wireguard_handshake`: the age that is still recent, from 1s to 24h. WireGuard repeats the "
        "handshake about every two minutes while there is traffic.",
        examples=["180s"],
        json_schema_extra={"default": f"{DEFAULT_NOT_OLDER_THAN_SECONDS}s"},
    )
    timeout: Annotated[int, Duration(1, 60)] = Field(
        default=DEFAULT_TIMEOUT_SECONDS,
        description="After what time a check that has not passed has failed, from 1s to 1m.",
        examples=["5s"],
        json_schema_extra={"default": f"{DEFAULT_TIMEOUT_SECONDS}s"},
    )

    def kinds(self) -> list[str]:
        """Return the kinds that are asked for; of a right item, one."""
        return [kind for kind in FORMS if getattr(self, kind) is not None]


class Checks(RootModel[tuple[CheckItem, ...]]):
    """What shows that a node is well."""

    model_config = ConfigDict(strict=True, frozen=True)


def _ping(item: CheckItem, node: Node) -> Ping:
    return Ping(address=str(item.ping), interface=item.interface, timeout_seconds=item.timeout)


def _babel_neighbours(item: CheckItem, node: Node) -> BabelNeighbours | None:
    mesh = node.get(Mesh)
    if mesh is None or item.babel_neighbours is None:
        return None
    return BabelNeighbours(
        socket=mesh.babeld.socket,
        count=item.babel_neighbours,
        interface=item.interface,
        timeout_seconds=item.timeout,
    )


def _wireguard_handshake(item: CheckItem, node: Node) -> WireGuardHandshake:
    return WireGuardHandshake(
        interface=str(item.wireguard_handshake),
        not_older_than_seconds=item.not_older_than,
        peer=item.peer,
        timeout_seconds=item.timeout,
    )


def _tcp(item: CheckItem, node: Node) -> TcpPort | None:
    if item.tcp is None:
        return None
    return TcpPort(host=item.tcp.host, port=item.tcp.port, timeout_seconds=item.timeout)


def _program(item: CheckItem, node: Node) -> Program:
    return Program(command=item.program or (), timeout_seconds=item.timeout)


def _belonging() -> dict[str, list[str]]:
    """Return for each optional field the kinds that it goes with."""
    options = dict.fromkeys(option for form in FORMS.values() for option in form.options)
    return {option: [kind for kind, form in FORMS.items() if option in form.options] for option in options}


def value(item: CheckItem, node: Node) -> Check | None:
    """Return the check that an item without problems means, ``None`` where the file lacks what it is about."""
    return FORMS[item.kinds()[0]].value(item, node)


def values(checks: Checks, node: Node) -> tuple[Check, ...]:
    """Return the checks of a node without problems, as they stand in its file."""
    return tuple(one for item in checks.root if (one := value(item, node)) is not None)


def check(checks: Checks, node: Node) -> Iterator[Finding]:
    """Yield items that are not of one kind, what the rest of the file does not have, and what takes too long."""
    yield from findings(checks.root, node)
    confirm = node.get(Confirm)
    for number, item in enumerate(checks.root if confirm is not None and len(checks.root) <= MOST_CHECKS else ()):
        if confirm is not None and len(item.kinds()) == 1 and item.timeout > confirm.root:
            yield Finding(
                (number, "timeout"),
                f"`timeout` is {spelled(item.timeout)}, but a change is undone after {spelled(confirm.root)}",
                "write a shorter one, or a longer `confirm`",
            )


def findings(items: tuple[CheckItem, ...], node: Node) -> Iterator[Finding]:
    """Yield items of a list that are not of one kind, and what the rest of the file does not have."""
    if len(items) > MOST_CHECKS:
        yield Finding((MOST_CHECKS,), f"there are {len(items)} checks, at most {MOST_CHECKS} are carried out")
        return
    for number, item in enumerate(items):
        kinds = item.kinds()
        if len(kinds) != 1:
            yield _not_one(number, kinds)
            continue
        yield from _misplaced(number, item, kinds[0])
        yield from FORMS[kinds[0]].findings(number, item, node)


def _not_one(number: int, kinds: list[str]) -> Finding:
    if not kinds:
        *first, last = (f"`{kind}`" for kind in FORMS)
        return Finding((number,), f"a check needs {', '.join(first)} or {last}", 'such as `{ping: "2001:db8:ffff::1"}`')
    written = " and ".join(f"`{kind}`" for kind in kinds)
    return Finding((number, kinds[1]), f"{written} are {len(kinds)} checks", "write each as an item of its own")


def _misplaced(number: int, item: CheckItem, kind: str) -> Iterator[Finding]:
    for option, kinds in _belonging().items():
        if option in item.model_fields_set and kind not in kinds:
            owners = " and ".join(f"`{owner}`" for owner in kinds)
            yield Finding((number, option), f"`{option}` does not go with `{kind}`", f"it goes with {owners}")


def _ping_findings(number: int, item: CheckItem, node: Node) -> Iterator[Finding]:
    if item.ping is not None and item.ping.is_link_local and item.interface is None:
        yield Finding(
            (number, "ping"),
            f"`{item.ping}` is a link-local address, which says nothing without its link",
            "add it, such as `interface: mesh0`",
        )


def _babel_findings(number: int, item: CheckItem, node: Node) -> Iterator[Finding]:
    if not _asks_for(node, "mesh"):
        yield Finding((number, "babel_neighbours"), "`babel_neighbours` needs `mesh`, which this file does not have")
    mesh = node.get(Mesh)
    if mesh is None or item.interface is None or _of_a_link(item.interface, node):
        return
    known = [interface.name for interface in mesh.interfaces]
    if item.interface not in known:
        yield _unknown((number, "interface"), item.interface, known, "mesh interface")


def _wireguard_findings(number: int, item: CheckItem, node: Node) -> Iterator[Finding]:
    name, path = str(item.wireguard_handshake), (number, "wireguard_handshake")
    if not _asks_for(node, "wireguard") and not _asks_for(node, "links"):
        yield Finding(path, "`wireguard_handshake` needs `wireguard` or `links`, which this file does not have")
        return
    wireguard, links = node.get(WireGuard), node.get(Links)
    if _of_a_link(name, node):
        peers = None if links is None else [peer.public_key for peer in links.peers]
    elif wireguard is None and _asks_for(node, "wireguard"):
        return
    else:
        interfaces = {} if wireguard is None else {interface.name: interface for interface in wireguard.root}
        if name not in interfaces:
            yield _unknown(path, name, list(interfaces), "WireGuard interface")
            return
        peers = [peer.public_key for peer in interfaces[name].peers]
    if item.peer is not None and peers is not None and item.peer not in peers:
        yield Finding((number, "peer"), f"this is the public key of no peer of `{name}`", "write one of its peers'")


def _program_findings(number: int, item: CheckItem, node: Node) -> Iterator[Finding]:
    if item.program and not item.program[0].startswith("/"):
        yield Finding(
            (number, "program", 0),
            "a program must be named by its absolute path, one that begins with `/`",
            "such as `/usr/local/bin/is-well`",
        )


def _no_findings(number: int, item: CheckItem, node: Node) -> Iterator[Finding]:
    return iter(())


def _asks_for(node: Node, feature: str) -> bool:
    """Return whether the file has the feature, be it wrong or misspelt: then only that is to be said."""
    return node.root.incomplete or any(key == feature or meant(key, (feature,)) for key in node.root.entries)


def _of_a_link(name: str, node: Node) -> bool:
    """Return whether a name may be that of a link's interface: which ones there are shows only with the private key."""
    return is_link_name(name) and _asks_for(node, "links")


def _unknown(path: Path, name: str, known: list[str], thing: str) -> Finding:
    near = difflib.get_close_matches(name, known, 1)
    listed = ", ".join(f"`{one}`" for one in known[:10])
    suggestion = f"did you mean `{near[0]}`?" if near else f"there is {listed}" if known else None
    return Finding(path, f"`{name}` is no {thing} of this file", suggestion)


FORMS: dict[str, Form] = {
    "ping": Form(("interface",), _ping, _ping_findings),
    "babel_neighbours": Form(("interface",), _babel_neighbours, _babel_findings),
    "wireguard_handshake": Form(("peer", "not_older_than"), _wireguard_handshake, _wireguard_findings),
    "tcp": Form((), _tcp, _no_findings),
    "program": Form((), _program, _program_findings),
}


def expand(checks: Checks, node: Node, references: References) -> Iterator[Resource]:
    """Yield nothing: it is about the way to the objects, not about them."""
    return iter(())


FEATURE: Feature[Any] = Feature(
    name="checks",
    model=Checks,
    description=f"What shows that the node is well after a change, at most {MOST_CHECKS} checks, each of one kind: "
    f"{', '.join(f'`{kind}`' for kind in FORMS)}. When all have passed the change is confirmed; when they have not "
    "within the time of `confirm`, it is undone.",
    check=check,
    expand=expand,
)
