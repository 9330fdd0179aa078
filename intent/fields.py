"""The types of the fields of a node file: names, addresses, keys, numbers, each with what is right about it."""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
)
from typing import Annotated, Literal, NamedTuple

from intent.display import looks_like_key, quoted
from intent.field_types import Between, Choice, Decimal, Text, wrong
from intent.ip_text import host_and_port

LONGEST_INTERFACE_NAME = 15
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"([0-9A-Fa-f:.]+)(?:/(0|[1-9][0-9]{0,2}))?")
_ADDRESS_SHAPE = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_IPV6_WORDS = {"pattern": r"^[0-9A-Fa-f:.]+$"}
PREFIX6_WORDS = {"pattern": r"^[0-9A-Fa-f:.]+/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$"}


def parse_interface_name(text: str) -> str:
    """Return the name of an interface as the kernel takes it (dev_valid_name in net/core/dev.c)."""
    size = len(text.encode())
    if not text:
        wrong("is empty: an interface has a name of 1 to 15 bytes")
    if size > LONGEST_INTERFACE_NAME:
        wrong(f"must be at most 15 bytes long, the kernel takes no longer name; {quoted(text)} has {size}")
    if text in (".", "..") or any(mark in text for mark in "/:%"):
        wrong(f"must be a name the kernel takes: no `/`, `:` or `%`, and not `.` or `..`; not {quoted(text)}")
    if not text.isprintable() or any(mark.isspace() or mark in "\"'#\\" for mark in text):
        wrong(f"must be without spaces, quotes, `#`, `\\` and control characters, not {quoted(text)}")
    if text.startswith("-"):
        wrong(f"must not begin with `-`: commands would take {quoted(text)} for an option")
    return text


# Names that tunnel modules take in every namespace when they are loaded, and names that mean something else.
_TAKEN_NAMES = frozenset(
    {"lo", "all", "default", "gre0", "gretap0", "erspan0", "ip6gre0", "ip6tnl0", "tunl0", "sit0", "ip_vti0", "ip6_vti0"}
)


def parse_new_interface_name(text: str) -> str:
    """Return the name for an interface that is to be made."""
    name = parse_interface_name(text)
    if name in _TAKEN_NAMES:
        wrong(f"must not be {quoted(name)}: the kernel uses this name itself")
    return name


def parse_node_name(text: str) -> str:
    """Return the name of a node, of the form of a host name (RFC 1123, section 2.1)."""
    if len(text) > 63 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        wrong(
            f"must be like a host name, not {quoted(text)}",
            "up to 63 letters, digits and hyphens, such as exit-berlin-7",
        )
    return text


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if not _ADDRESS_SHAPE.fullmatch(text):
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def parse_ipv6_address(text: str) -> IPv6Address:
    """Return the IPv6 address."""
    address = parse_ipv6_address_or_end(text)
    if address.is_multicast or address.is_unspecified or address.is_loopback:
        wrong(f"must be the address of another machine, not {quoted(text)}")
    return address


def parse_ipv6_address_or_end(text: str) -> IPv6Address:
    """Return an IPv6 address, or what follows the prefix in one, such as ``::1``."""
    address = _address(text)
    if not isinstance(address, IPv6Address):
        wrong(f"must be an IPv6 address such as `2001:db8::1`, not {quoted(text)}")
    return address


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Return the IPv4 or IPv6 address."""
    address = _address(text)
    if address is None:
        wrong(f"must be an address such as `2001:db8::1` or `192.0.2.1`, not {quoted(text)}")
    if address.is_multicast or address.is_unspecified or address.is_loopback:
        wrong(f"must be the address of one machine on the network, not {quoted(text)}")
    return address


def _split_prefix(text: str) -> tuple[IPv4Address | IPv6Address, int | None] | None:
    """Return the address and the length in ``address/length`` or ``address``, ``None`` for anything else."""
    match = _PREFIX.fullmatch(text)
    address = _address(match[1]) if match else None
    if match is None or address is None:
        return None
    length = None if match[2] is None else int(match[2])
    return None if length is not None and length > address.max_prefixlen else (address, length)


def _network(text: str, address: IPv4Address | IPv6Address, length: int) -> IPv4Network | IPv6Network:
    network = (IPv4Network if address.version == 4 else IPv6Network)((address, length), strict=False)
    if network.network_address != address:
        wrong(f"must be a prefix, but {quoted(text)} has bits set behind its length", f"write `{network}`")
    return network


def parse_prefix(text: str) -> IPv4Network | IPv6Network:
    """Return the IPv4 or IPv6 prefix; an address alone is the prefix of only that address."""
    parts = _split_prefix(text)
    if parts is None:
        wrong(f"must be a prefix such as `2001:db8::/32` or `192.0.2.0/24`, not {quoted(text)}")
    address, length = parts
    return _network(text, address, address.max_prefixlen if length is None else length)


def parse_ipv6_prefix(text: str) -> IPv6Network:
    """Return the IPv6 prefix, which must have a length."""
    parts = _split_prefix(text)
    if parts is not None and parts[0].version == 4:
        wrong(f"must be an IPv6 prefix, but {quoted(text)} is IPv4")
    if parts is None:
        wrong(f"must be an IPv6 prefix such as `2001:db8::/32`, not {quoted(text)}")
    address, length = parts
    if length is None:
        wrong(f"must be an IPv6 prefix with its length, not {quoted(text)}", f"such as `{address}/64`")
    network = _network(text, address, length)
    assert isinstance(network, IPv6Network)  # noqa: S101 - the version was looked at
    return network


def parse_interface_address(text: str) -> IPv4Interface | IPv6Interface:
    """Return an address of an interface with the length of its prefix."""
    parts = _split_prefix(text)
    if parts is None:
        wrong(f"must be an address with its prefix length such as `2001:db8::1/64`, not {quoted(text)}")
    address, length = parts
    if length is None:
        wrong(
            f"must have a prefix length, {quoted(text)} has none",
            f"write `{address}/{address.max_prefixlen}` for this address alone, "
            f"`{address}/{64 if address.version == 6 else 24}` with its network",
        )
    if address.is_multicast or address.is_unspecified:
        kind = "a multicast address" if address.is_multicast else "the unspecified address"
        wrong(f"must be an address of one machine, but {quoted(text)} is {kind}")
    interface = (IPv4Interface if address.version == 4 else IPv6Interface)((address, length))
    _refuse_network_itself(text, interface)
    return interface


def _refuse_network_itself(text: str, interface: IPv4Interface | IPv6Interface) -> None:
    network = interface.network
    # Of two or one addresses all are usable (RFC 3021, RFC 6164).
    if network.num_addresses <= 2:
        return
    if interface.ip == network.network_address:
        kind = "the first, which stands for the network itself"
        wrong(
            f"must be an address inside its network, but {quoted(text)} is {kind}",
            f"such as `{network[1]}/{network.prefixlen}`",
        )
    if interface.version == 4 and interface.ip == network.broadcast_address:
        wrong(f"must be an address of one machine, but {quoted(text)} is the broadcast address of its network")


def parse_public_key(text: str) -> str:
    """Return a WireGuard public key in its one base64 spelling."""
    try:
        key = base64.b64decode(text, validate=True) if len(text) == 44 and text.isascii() else b""
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        # The text is not repeated: it may be a private key with a character too many.
        size = f"this has {len(text)} characters" if len(text) != 44 else "this is not base64 of 32 bytes"
        wrong(f"must be a WireGuard public key, 44 characters the last of which is `=`; {size}", "see `wg pubkey`")
    if not any(key):
        wrong("must be a WireGuard public key, not zeros")
    return base64.b64encode(key).decode()


class Endpoint(NamedTuple):
    """Where a peer is reached: an address or a host name, and a UDP port."""

    host: str
    port: int
    is_name: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _refuse_endpoint(text: str) -> None:
    right = "must be `name:port`, `[IPv6 address]:port` or `IPv4 address:port`"
    host, _, port = text.rpartition(":")
    if isinstance(_address(text), IPv6Address):
        if isinstance(_address(host), IPv6Address) and _PORT.fullmatch(port):
            wrong(f"{right}, not {quoted(text)}", f"if {port} is the port, write `[{host}]:{port}`")
        wrong(f"{right}; {quoted(text)} has no port", f"such as `[{text}]:51820`")
    if isinstance(_address(host), IPv6Address):
        wrong(f"{right}, not {quoted(text)}", f"put the address in brackets: `[{host}]:{port}`")
    if ":" not in text or text.endswith("]"):
        wrong(f"{right}; {quoted(text)} has no port", f"such as `{text[:60]}:51820`" if text.isprintable() else None)
    wrong(f"{right}, not {quoted(text)}")


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint; a name is not resolved here."""
    known = host_and_port(text)
    if known is not None:
        return Endpoint(*known, is_name=False)
    host, _, port = text.rpartition(":")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        if port.isascii() and port.isdigit() and ":" not in host.strip("[]"):
            wrong(f"must have a port from 1 to 65535, not {quoted(port)}")
        if port.isascii() and port.isdigit() and host.startswith("["):
            wrong(f"must have a port from 1 to 65535, not {quoted(port)}")
        _refuse_endpoint(text)
    if host.startswith("[") and host.endswith("]") and isinstance(_address(host[1:-1]), IPv6Address):
        address = _address(host[1:-1])
    else:
        address = _address(host)
        if isinstance(address, IPv6Address):
            _refuse_endpoint(text)
    if address is None:
        return Endpoint(_host_name(host, text), int(port), is_name=True)
    if address.is_multicast or address.is_unspecified:
        wrong(f"must be the address of one machine, not {quoted(host)}")
    if isinstance(address, IPv6Address) and address.is_link_local:
        wrong(f"must not be a link-local address, which says nothing without its link: {quoted(host)}")
    return Endpoint(str(address), int(port), is_name=False)


def _host_name(host: str, text: str) -> str:
    labels = host.removesuffix(".").split(".")
    if "%" in host:
        wrong(f"must be without `%` and a link, not {quoted(text)}")
    if not host or len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        _refuse_endpoint(text)
    if labels[-1].isdigit():
        wrong(f"must have a host name or an address, but {quoted(host)} is neither")
    return host.lower()


def parse_key_path(text: str) -> str:
    """Return the absolute path of a file that holds a key. No message repeats the text: it may be the key itself."""
    if looks_like_key(text):
        wrong("must be the path of a file that holds the key; this looks like the key itself", _KEY_ADVICE)
    if not text.startswith("/"):
        wrong("must be an absolute path, one that begins with `/`; what is written is not shown", _KEY_ADVICE)
    return parse_path(text)


_KEY_ADVICE = "keep keys out of this file: write the key to a file of mode 0600 and its path here"


def parse_path(text: str) -> str:
    """Return an absolute path in its shortest spelling."""
    if not text.startswith("/"):
        wrong(f"must be an absolute path, one that begins with `/`, not {quoted(text)}")
    if not text.isprintable() or len(text.encode()) > 1024:
        wrong(f"must be a path of up to 1024 bytes without control characters, not {quoted(text)}")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts or not parts or text.endswith("/"):
        wrong(f"must name a file, without `..`, not {quoted(text)}")
    return "/" + "/".join(parts)


def parse_babeld_socket(text: str) -> str:
    """Return the unix path or the ``[::1]:PORT`` at which babeld listens."""
    if text.startswith("/"):
        path = parse_path(text)
        if len(path.encode()) > 107:
            wrong("must be at most 107 bytes long, as all paths of unix sockets")
        return path
    host, _, port = text.rpartition(":")
    if host != "[::1]" or not _PORT.fullmatch(port) or int(port) > 65535:
        wrong(f"must be an absolute path or `[::1]:PORT`, not {quoted(text)}", "babeld listens on ::1 only")
    return text


def parse_argument(text: str) -> str:
    """Return a word of a command."""
    if not text or "\0" in text or len(text) > 4096:
        wrong("must be text of 1 to 4096 characters")
    return text


_NAME_WORDS = {"pattern": r"^(?!-)(?!\.{1,2}$)[^\s/:%\"'#\\]{1,15}$", "maxLength": 15}
_NODE_WORDS = {"pattern": r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "maxLength": 63}
_ENDPOINT_WORDS = {"pattern": r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[1-9][0-9]{0,4}$"}
_INTERFACE_ADDRESS_WORDS = {"pattern": r"^[0-9A-Fa-f:.]+/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$"}

NewInterfaceName = Annotated[str, Text(parse_new_interface_name, _NAME_WORDS)]
InterfaceName = Annotated[str, Text(parse_interface_name, _NAME_WORDS)]
NodeName = Annotated[str, Text(parse_node_name, _NODE_WORDS)]
AnyAddress = Annotated[IPv4Address | IPv6Address, Text(parse_address, _IPV6_WORDS)]
IPv6Text = Annotated[IPv6Address, Text(parse_ipv6_address, _IPV6_WORDS)]
IPv6TextOrEnd = Annotated[IPv6Address, Text(parse_ipv6_address_or_end, _IPV6_WORDS)]
IPv6Prefix = Annotated[IPv6Network, Text(parse_ipv6_prefix, PREFIX6_WORDS)]
InterfaceAddress = Annotated[IPv4Interface | IPv6Interface, Text(parse_interface_address, _INTERFACE_ADDRESS_WORDS)]
PublicKey = Annotated[str, Text(parse_public_key, {"pattern": r"^[A-Za-z0-9+/]{43}=$"})]
EndpointText = Annotated[Endpoint, Text(parse_endpoint, _ENDPOINT_WORDS)]
KeyPath = Annotated[str, Text(parse_key_path, {"pattern": "^/"})]
Path = Annotated[str, Text(parse_path, {"pattern": "^/"})]
BabeldSocket = Annotated[str, Text(parse_babeld_socket, {"pattern": r"^(/|\[::1\]:[1-9][0-9]{0,4}$)"})]
Argument = Annotated[str, Text(parse_argument, {"minLength": 1})]


class RoutingTable(Between):
    """The number of a routing table that is free for a mesh and that babeld takes (it refuses 65535 and above)."""

    def check(self, value: object) -> object:
        """Return the number."""
        number = super().check(value)
        if number in (253, 254, 255):
            wrong(f"must not be {number}: the kernel's tables default, main and local are 253, 254 and 255")
        return number

    def json_schema(self) -> dict[str, object]:
        """Return the range and its gap."""
        return {**super().json_schema(), "not": {"enum": [253, 254, 255]}}


Table = Annotated[int, RoutingTable(1, 65534)]
RulePriority = Annotated[int, Between(1, 32758)]
Port = Annotated[int, Between(1, 65535)]
Mtu = Annotated[int, Between(1280, 65535, unit="bytes")]
Number8 = Annotated[int, Between(0, 255)]
Number32 = Annotated[int, Between(0, 2**32 - 1)]
KeepaliveSeconds = Annotated[int, Between(0, 65535, unit="seconds")]
EncapsulationLimit = Annotated[int | Literal["none"], Between(0, 255, ("none",))]
BabelMetric = Annotated[int, Between(0, 65533)]
BabelCost = Annotated[int, Between(1, 65535)]
BabelIntervalSeconds = Annotated[float, Decimal(0.01, 655.35, 0.01, "seconds")]
RttMilliseconds = Annotated[float, Decimal(0.001, 1_000_000.0, 0.001, "milliseconds")]
RttDecay = Annotated[int, Between(1, 256)]
Channel = Annotated[int | Literal["interfering", "noninterfering"], Between(1, 254, ("interfering", "noninterfering"))]
BabelType = Annotated[Literal["auto", "wired", "wireless", "tunnel"], Choice(("auto", "wired", "wireless", "tunnel"))]
TrueFalseAuto = Annotated[bool | Literal["auto"], Choice((True, False, "auto"))]
TrueFalse = Annotated[bool, Choice((True, False))]
Implementation = Annotated[Literal["auto", "kernel", "userspace"], Choice(("auto", "kernel", "userspace"))]
GreMode = Annotated[Literal["gre", "ip6gre", "gretap", "ip6gretap"], Choice(("gre", "ip6gre", "gretap", "ip6gretap"))]
