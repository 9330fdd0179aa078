"""How a lab is: each node's own status, what its babeld says, and what the providers refused."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intent.features.mesh import Mesh
from reconciler.core.errors import StellwerkError
from reconciler.lab.file import LabFile
from reconciler.lab.internet import Providers
from reconciler.lab.layout import Layout, client_end, link_local
from reconciler.lab.places import BABELD_SOCKET, LabMachine
from reconciler.lab.wires import Wires
from reconciler.services.control_protocol import SOCKET
from reconciler.services.control_protocol import VERSION as CONTROL_VERSION

VERSION = 1
_LIMIT_SECONDS = 5.0
_DOWN = 0xFFFF
"""A metric from which on a route is none (babeld's INFINITY)."""


def look(
    file: LabFile, layout: Layout, machines: Mapping[str, LabMachine], wires: Wires, providers: Providers | None
) -> dict[str, Any]:
    """Return the status of a lab, as versioned JSON."""
    babel = {name: _babel(machine) for name, machine in machines.items()}
    known = {name: _remembered(machines[name].folder / "babel.json", one) for name, one in babel.items()}
    ids = {one["id"]: name for name, one in known.items()}
    owners = {str(link_local(end)): end.place for end in layout.at}
    # Links over WireGuard have addresses of their own, which only babeld tells.
    owners |= {address: name for name, one in known.items() for address in one["own"]}
    nodes = {name: _node(machine, babel[name], ids, owners) for name, machine in machines.items()}
    notes = [note for note in (wires.note, None if providers is None else providers.note) if note]
    return {
        "stellwerk_lab": VERSION,
        "name": file.name,
        "file": file.path,
        "alive": True,
        "nodes": nodes,
        "wires": [
            {
                "name": cable.name,
                "is_wire": cable.is_wire,
                "ends": {str(end): wires.state(end) for end in cable.ends},
                "delay_milliseconds": cable.delay_milliseconds,
                "loss_percent": cable.loss_percent,
            }
            for cable in layout.cables
        ],
        "broken": [{"target": one.target, "carrier": one.carrier} for one in wires.breaks.values()],
        "clients": {
            name: {"at": str(client.at), "address": str(client.address), "cable": wires.state(client_end(name))}
            for name, client in file.clients.items()
        },
        "internet": None
        if providers is None
        else {"address": str(providers.internet.address), "refused": _refused(providers)},
        "notes": notes,
    }


def _remembered(file: Path, told: dict[str, Any] | None) -> dict[str, Any]:
    """Return by what a node is known to others, from its babeld, or from when it was last told: it may be gone."""
    known = {"id": "", "own": []}
    if told is not None:
        known = {"id": told["id"], "own": told["own"]}
        file.write_text(json.dumps(known))
    else:
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(file.read_text())
    return known


def _refused(providers: Providers) -> dict[str, int]:
    with contextlib.suppress(StellwerkError):
        return providers.refused()
    return {}


def _node(
    machine: LabMachine, babel: dict[str, Any] | None, ids: Mapping[str, str], owners: Mapping[str, str]
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "power": machine.place is not None,
        "stellwerk": machine.intent is not None,
        "daemon": _daemon(machine),
        "status": None,
        "babeld": None,
    }
    if machine.place is not None and machine.daemon is not None:
        told["status"] = _status(machine)
    if babel is not None:
        told["babeld"] = {
            "id": babel["id"],
            "interfaces": babel["interfaces"],
            "neighbours": [{**one, "node": owners.get(one["address"])} for one in babel["neighbours"]],
            "announces": babel["announces"],
            "defaults": [
                {**one, "exit": ids.get(one["id"]), "next_hop": owners.get(one["via"])} for one in babel["defaults"]
            ],
        }
    return told


def _daemon(machine: LabMachine) -> str | None:
    if machine.intent is None or machine.place is None:
        return None
    return "running" if machine.daemon is not None else f"ended {machine.ended}"


def _status(machine: LabMachine) -> dict[str, Any] | None:
    """Return what the node's daemon says of itself, None where it does not answer."""
    place = machine.place
    if place is None:
        return None
    request = json.dumps({"stellwerk_control": CONTROL_VERSION, "command": "status"}).encode() + b"\n"
    with contextlib.suppress(OSError, ValueError), _connected(f"{place.files}{_below_run(SOCKET)}") as endpoint:
        endpoint.sendall(request)
        with endpoint.makefile("rb") as answers:
            for line in answers:
                told = json.loads(line)
                if "end" in told:
                    status: dict[str, Any] | None = told.get("status")
                    return status or None
    return None


def _babel(machine: LabMachine) -> dict[str, Any] | None:
    """Return what the node's babeld says, None where none answers."""
    mesh = None if machine.intent is None else machine.intent.get(Mesh)
    address = BABELD_SOCKET if mesh is None else mesh.babeld.socket
    if machine.place is None or not address.startswith("/run/"):
        return None
    with (
        contextlib.suppress(OSError, IndexError, ValueError),
        _connected(f"{machine.place.files}{_below_run(Path(address))}") as endpoint,
    ):
        greeting = _answer(endpoint)
        endpoint.sendall(b"dump\n")
        return _parsed([*greeting, *_answer(endpoint)])
    return None


def _answer(endpoint: socket.socket) -> list[list[str]]:
    """Return the words of the lines that babeld says next. Raises OSError, ValueError."""
    said = bytearray()
    end = time.monotonic() + _LIMIT_SECONDS
    while not said.endswith((b"\nok\n", b"\nbad\n", b"\nno\n")) and said != b"ok\n":
        part = endpoint.recv(1 << 16)
        if not part or time.monotonic() > end:
            raise ValueError("babeld does not answer")
        said += part
    return [line.split() for line in said.decode(errors="replace").splitlines()]


def _parsed(lines: list[list[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": "", "own": [], "interfaces": [], "neighbours": [], "announces": [], "defaults": []}
    for words in lines:
        if words[:1] == ["my-id"]:
            found["id"] = words[1]
        if words[:1] != ["add"]:
            continue
        named = dict(_pairs(words))
        if words[1] == "interface" and "ipv6" in named:
            found["own"].append(named["ipv6"])
            found["interfaces"].append(words[2])
        elif words[1] == "neighbour":
            found["neighbours"].append(
                {
                    "address": named["address"],
                    "interface": named["if"],
                    "reach": named["reach"],
                    "cost": int(named["cost"]),
                }
            )
        elif words[1] == "xroute" and named["prefix"] == "::/0" and int(named["metric"]) < _DOWN - 1:
            found["announces"].append(named["from"])
        elif words[1] == "route" and named["prefix"] == "::/0" and named["installed"] == "yes":
            route = {name: named[name] for name in ("from", "id", "via")}
            if int(named["metric"]) < _DOWN:
                found["defaults"].append({**route, "interface": named["if"], "metric": int(named["metric"])})
    return found


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a line; a neighbour or route has its number after its kind, others their name."""
    start = 2 if words[1] == "xroute" or words[2] == "prefix" else 3
    if words[1] == "xroute":
        start = words.index("prefix")
    yield from zip(words[start::2], words[start + 1 :: 2], strict=False)


@contextlib.contextmanager
def _connected(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as endpoint:
        endpoint.settimeout(_LIMIT_SECONDS)
        endpoint.connect(path)
        yield endpoint


def _below_run(path: Path) -> str:
    return os.path.normpath(path).removeprefix("/run")
