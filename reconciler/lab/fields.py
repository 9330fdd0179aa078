"""The types of the fields of a lab's file: ends of cables, delays, names, each with what is right about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Interface
from typing import Annotated, Any, Literal

from intent.display import quoted
from intent.field_types import Checked, Choice, Text, wrong
from intent.fields import parse_interface_address, parse_interface_name, parse_node_name

VERSION = 1
INTERNET = "internet"
"""The name of the place that stands for the Internet, in commands and as the end of a line."""
_LONGEST_NAME = 40
_RESERVED = frozenset({INTERNET, "wires"})
_TAKEN = {
    "lo": "an interface `lo`",
    "all": "settings of `all` its interfaces",
    "default": "settings that are the `default` of its interfaces",
}
"""Names that the kernel keeps for itself (net/ipv6/addrconf.c registers the settings below net/ipv6/conf)."""
_DELAY = re.compile(r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,3})?)(?P<unit>us|ms|s)")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_LOSS = re.compile(r"(?P<number>[0-9]{1,3}(?:\.[0-9]{1,4})?)%")


class LabVersion(Checked):
    """The version of the language that the file is written in."""

    def check(self, value: object) -> int:
        """Return the version."""
        if isinstance(value, bool) or value != VERSION:
            wrong(f"must be {VERSION}, the only version there is yet")
        return VERSION

    def json_schema(self) -> dict[str, Any]:
        """Return the one value."""
        return {"const": VERSION}


def parse_plug(text: str) -> str:
    """Return the name of an interface that the lab makes."""
    name = parse_interface_name(text)
    if name in _TAKEN:
        wrong(f"must be another name: every network namespace has {_TAKEN[name]} already", "such as `mesh0`")
    return name


def parse_end(text: str) -> End:
    """Return the end of a wire that ``node:interface`` names."""
    place, colon, interface = text.partition(":")
    if not colon:
        wrong(f"must be `node:interface`, not {quoted(text)}", "such as `roof-1:mesh0`")
    return End(place, parse_plug(interface))


def parse_ipv6_interface(text: str) -> IPv6Interface:
    """Return an IPv6 address with the length of its prefix."""
    address = parse_interface_address(text)
    if not isinstance(address, IPv6Interface):
        wrong(f"must be an IPv6 address, not {quoted(text)}: all of a lab is IPv6")
    return address


def parse_delay(text: str) -> float:
    """Return a delay in milliseconds."""
    match = _DELAY.fullmatch(text)
    if match is None:
        wrong(f"must be a time such as `5ms`, not {quoted(text)}", "units are us, ms and s")
    return float(match["number"]) * _MILLISECONDS[match["unit"]]


def parse_loss(text: str) -> float:
    """Return a share of lost frames in per cent."""
    match = _LOSS.fullmatch(text)
    if match is None or float(match["number"]) > 100:
        wrong(f"must be a share such as `1%`, not {quoted(text)}")
    return float(match["number"])


def parse_lab_name(text: str) -> str:
    """Return the name of a lab or of something in it: like a host name, since it becomes one, and a folder's."""
    name = parse_node_name(text)
    if len(name) > _LONGEST_NAME:
        wrong(f"must be at most {_LONGEST_NAME} characters long, {quoted(text)} has {len(name)}")
    if name in _RESERVED:
        wrong(f"must be another name: `{name}` stands for a part of every lab")
    return name


def name_problem(name: str) -> str | None:
    """Return what is wrong with a name in words."""
    try:
        parse_lab_name(name)
    except Exception as exc:  # noqa: BLE001 - pydantic's own kind of error, raised by `wrong`
        return str(getattr(exc, "context", {}).get("message", exc))
    return None


def parse_text(text: str) -> str:
    """Return text as it is."""
    return text


@dataclass(frozen=True, slots=True, order=True)
class End:
    """The end of a cable: an interface of a place."""

    place: str
    interface: str

    def __str__(self) -> str:
        return f"{self.place}:{self.interface}"


PlugName = Annotated[str, Text(parse_plug)]
EndText = Annotated[End, Text(parse_end, {"pattern": "^[^:]+:[^:]+$"})]
AddressText = Annotated[IPv6Interface, Text(parse_ipv6_interface)]
Delay = Annotated[float, Text(parse_delay, {"pattern": _DELAY.pattern})]
Loss = Annotated[float, Text(parse_loss, {"pattern": _LOSS.pattern})]
LabName = Annotated[str, Text(parse_lab_name)]
Words = Annotated[str, Text(parse_text)]
TunnelMode = Annotated[Literal["ip6gre"], Choice(("ip6gre",))]
