"""The links of a fleet: of one line in ``fleet.yaml`` both sides are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from intent.fleet.rendered import Public
from intent.fleet.settings import FleetLink
from intent.source import Report
from intent.tree import Entry, Mapping, Scalar, Sequence
from intent.yaml_spelling import as_yaml

LINKS_KEY = "links"
"""The name under which the public key for all links of a node stands in its ``public``."""


def other_ends(links: Iterable[FleetLink], name: str) -> tuple[str, ...]:
    """Return the nodes at the other ends of a node's links, as ``fleet.yaml`` has them."""
    return tuple(link.between[link.between[0] == name] for link in links)


def generated_links(
    links: tuple[FleetLink, ...], name: str, public: Callable[[str], Public], report: Report
) -> Mapping | None:
    """Return the fields of a node file that its links of the fleet make, ``None`` where it has none.

    ``links`` are those of the node. Another end without a public key for its links is reported.
    """
    peers = Sequence(*_place(links[0])) if links else None
    for link, other in zip(links, other_ends(links, name), strict=True):
        known = public(other)
        key = dict(known.keys).get(LINKS_KEY)
        place = _place(link)
        if key is None:
            advice = f"write into nodes/{other}.yaml: {as_yaml({'public': {'keys': {LINKS_KEY: '…'}}})[1:-1]}"
            report.add(place, f"`{other}` has no public key for its links", advice)
            continue
        peer = Mapping(*place)
        fields: dict[str, str | int] = {"node": other, "public_key": key, "listen_port": link.port}
        if known.host is not None:
            host = f"[{known.host}]" if ":" in known.host else known.host
            fields["endpoint"] = f"{host}:{link.port}"
        peer.entries = {field: Entry(*place, Scalar(*place, value)) for field, value in fields.items()}
        peer.entries.update(link.shared.entries)
        assert peers is not None  # noqa: S101 - there is a link
        peers.parts.append(peer)
    return None if peers is None else _under(("links", "peers"), peers)


def _place(link: FleetLink) -> tuple[int, int]:
    return link.tree.line, link.tree.column


def _under(names: tuple[str, ...], value: Sequence) -> Mapping:
    tree: Sequence | Mapping = value
    for name in reversed(names):
        outer = Mapping(value.line, value.column)
        outer.entries = {name: Entry(value.line, value.column, tree)}
        tree = outer
    assert isinstance(tree, Mapping)  # noqa: S101 - there is a name
    return tree
