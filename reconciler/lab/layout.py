"""What a lab consists of, from its file: places, cables and who is at their ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv6Address

from reconciler.lab.fields import INTERNET, End
from reconciler.lab.file import LabFile

LONGEST_INTERFACE_NAME = 15


@dataclass(frozen=True, slots=True)
class Cable:
    """Interfaces that are joined; ``number`` counts them from 0. The wires of the file, lines and clients' cables."""

    number: int
    name: str
    ends: tuple[End, ...]
    delay_milliseconds: float = 0.0
    loss_percent: float = 0.0
    is_wire: bool = False

    @property
    def bridge(self) -> str:
        """The name of the bridge that joins them."""
        return f"w{self.number}"

    def port(self, end: End) -> str:
        """Return the name of the bridge's port at an end."""
        return f"w{self.number}p{self.ends.index(end)}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The cables of a lab, and who is at which."""

    cables: tuple[Cable, ...]
    at: dict[End, Cable] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", {end: cable for cable in self.cables for end in cable.ends})

    def ends_of(self, place: str) -> list[End]:
        """Return the ends of cables at a place."""
        return [end for end in self.at if end.place == place]

    def wire(self, name: str) -> Cable | None:
        """Return the wire of that name."""
        return next((cable for cable in self.cables if cable.is_wire and cable.name == name), None)


def layout(file: LabFile) -> Layout:
    """Return the cables of a lab. A client joins the wire that is at the node's interface, if there is one."""
    ends: list[list[End]] = [list(wire.between) for wire in file.wires]
    names = [wire.name for wire in file.wires]
    for number, line in enumerate(file.internet.lines if file.internet else ()):
        ends.append([End(line.node, line.interface), line_end(number, line.node)])
        names.append(f"line of {line.node}:{line.interface}")
    where = {end: number for number, one in enumerate(ends) for end in one}
    for name, client in file.clients.items():
        if client.at not in where:
            where[client.at] = len(ends)
            ends.append([client.at])
            names.append(f"clients at {client.at}")
        ends[where[client.at]].append(client_end(name))
    wires = dict(enumerate(file.wires))
    return Layout(
        tuple(
            Cable(number, name, tuple(one), wires[number].delay, wires[number].loss, is_wire=True)
            if number in wires
            else Cable(number, name, tuple(one))
            for number, (name, one) in enumerate(zip(names, ends, strict=True))
        )
    )


def client_end(name: str) -> End:
    """Return the interface of a client."""
    return End(name, "eth0")


def line_end(number: int, node: str) -> End:
    """Return the provider's end of a line."""
    return End(INTERNET, f"l{number}-{node}"[:LONGEST_INTERFACE_NAME].rstrip("-."))


def tunnel_interface(number: int, node: str) -> str:
    """Return the provider's end of a tunnel."""
    return f"t{number}-{node}"[:LONGEST_INTERFACE_NAME].rstrip("-.")


def hardware_address(end: End) -> bytes:
    """Return the Ethernet address of an interface: the same at each start, locally administered, not multicast."""
    return bytes((0x02, *sha256(str(end).encode()).digest()[:5]))


def link_local(end: End) -> IPv6Address:
    """Return the link-local address that the kernel gives an interface (RFC 4291, appendix A)."""
    mac = hardware_address(end)
    return IPv6Address(bytes((0xFE, 0x80, *bytes(6), mac[0] ^ 2, mac[1], mac[2], 0xFF, 0xFE, *mac[3:])))
