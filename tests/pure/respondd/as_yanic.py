"""Answers read as yanic's Go structs read them: a value of another type is an error, and the whole answer is lost."""

from __future__ import annotations

import json
import zlib
from typing import Any, NamedTuple

MOST_BYTES = 8192


class Whole:
    """A Go integer: digits alone, within its bits."""

    def __init__(self, lowest: int, highest: int) -> None:
        self.range = range(lowest, highest + 1)


class Of(NamedTuple):
    """A Go map of strings to values of one type; ``null`` may stand for a value where it is a pointer."""

    type: Any
    pointer: bool = False


INT = Whole(-(2**63), 2**63 - 1)
UINT32 = Whole(0, 2**32 - 1)
TRAFFIC = {"bytes": float, "packets": float, "dropped": float}
LINK = {"rxcost": INT, "txcost": INT, "cost": INT, "reachability": INT}

NEIGHBOURS = {
    "node_id": str,
    "batadv": Of({}),
    "babel": Of({"protocol": str, "ll-addr": str, "neighbours": Of(LINK)}),
    "lldp": Of([str]),
}
NODEINFO = {
    "node_id": str,
    "hostname": str,
    "network": {
        "mac": str,
        "addresses": [str],
        "mesh": Of({"interfaces": {"wireless": [str], "other": [str], "tunnel": [str]}}),
        "mesh_interfaces": [str],
    },
    "owner": {"contact": str},
    "system": {"site_code": str, "domain_code": str},
    "location": {"latitude": float, "longitude": float, "altitude": float},
    "software": {
        "autoupdater": {"enabled": bool, "branch": str},
        "babeld": {"version": str},
        "firmware": {"base": str, "release": str},
        "wireguard": {"enabled": bool, "public_key": str, "version": str},
    },
    "hardware": {"nproc": INT, "model": str},
    "vpn": bool,
}
STATISTICS = {
    "node_id": str,
    "clients": dict.fromkeys(("wifi", "wifi24", "wifi5", "total"), UINT32),
    "rootfs_usage": float,
    "loadavg": float,
    "memory": dict.fromkeys(("total", "free", "buffers", "cached", "available"), INT),
    "uptime": float,
    "idletime": float,
    "gateway": str,
    "gateway6": str,
    "gateway_nexthop": str,
    "processes": {"total": UINT32, "running": UINT32},
    "mesh_vpn": {"groups": Of({"peers": Of({"established": float}, pointer=True)})},
    "traffic": dict.fromkeys(("tx", "rx", "forward", "mgmt_tx", "mgmt_rx"), TRAFFIC),
    "stat": {"cpu": dict.fromkeys(("user", "nice", "system", "idle", "iowait", "irq", "softirq"), INT)},
}
SECTIONS = {"nodeinfo": NODEINFO, "statistics": STATISTICS, "neighbours": NEIGHBOURS}


class RefusedByYanicError(Exception):
    """yanic would log an error and forget the answer."""


class Number(str):
    """A number as it is written, since 3 and 3.0 are not the same to Go."""

    __slots__ = ()


def unpacked(data: bytes) -> Any:
    """Return the JSON of a compressed answer."""
    if len(data) > MOST_BYTES:
        raise RefusedByYanicError("longer than the room for it")
    inflate = zlib.decompressobj(wbits=-15)
    text = inflate.decompress(data)
    if not inflate.eof or inflate.unused_data:
        raise RefusedByYanicError("no whole stream of raw deflate")
    return json.loads(text)


def read(data: bytes) -> dict[str, Any]:
    """Return an answer to ``GET`` as yanic takes it. Raises RefusedByYanicError."""
    inflate = zlib.decompressobj(wbits=-15)
    try:
        text = inflate.decompress(data[:MOST_BYTES])
    except zlib.error as exc:
        raise RefusedByYanicError(str(exc)) from exc
    if not inflate.eof:
        raise RefusedByYanicError("unexpected EOF")
    found = json.loads(text, parse_int=Number, parse_float=Number)
    _check(found, SECTIONS, "")
    read: dict[str, Any] = json.loads(text)
    for section in read.values():
        node_id = section.get("node_id", "")
        if len(node_id) != 12 or not set(node_id) <= set("0123456789abcdef"):
            raise RefusedByYanicError(f"invalid NodeID {node_id!r}")
    return read


def links(answers: list[dict[str, Any]]) -> set[tuple[str, str, str, float]]:
    """Return the links that yanic draws from answers: from, to, over which address, and the quality."""
    owner = {address: one["nodeinfo"]["node_id"] for one in answers for address in addresses(one)}
    return {
        (one["neighbours"]["node_id"], owner[address], interface["ll-addr"], round(1 - link["cost"] / 65535, 4))
        for one in answers
        for interface in one["neighbours"]["babel"].values()
        for address, link in interface["neighbours"].items()
        if address in owner
    }


def addresses(answer: dict[str, Any]) -> list[str]:
    """Return by which addresses yanic knows a node."""
    network = answer["nodeinfo"]["network"]
    sorts = [one["interfaces"] for one in network["mesh"].values()]
    return [network["mac"], *(address for one in sorts for addresses in one.values() for address in addresses)]


def _check(value: Any, type_: Any, where: str) -> None:
    match type_:
        case dict():
            _demand(isinstance(value, dict), value, where)
            for name, one in value.items():
                # What yanic does not know it does not look at.
                if name in type_ and one is not None:
                    _check(one, type_[name], f"{where}.{name}")
        case Of():
            _demand(isinstance(value, dict), value, where)
            for name, one in value.items():
                if one is not None or not type_.pointer:
                    _check(one, type_.type, f"{where}.{name}")
        case list():
            _demand(isinstance(value, list), value, where)
            for one in value:
                _check(one, type_[0], where)
        case Whole():
            _demand(
                isinstance(value, Number) and value.lstrip("-").isdigit() and int(value) in type_.range, value, where
            )
        case _ if type_ is float:
            _demand(isinstance(value, Number), value, where)
        case _ if type_ is str:
            _demand(isinstance(value, str) and not isinstance(value, Number), value, where)
        case _:
            _demand(isinstance(value, type_), value, where)


def _demand(fits: bool, value: Any, where: str) -> None:
    if not fits:
        raise RefusedByYanicError(f"cannot unmarshal {value!r} at {where}")
