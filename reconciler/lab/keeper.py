"""The keeper of a lab: the first process of its process namespace, with whose end all of the lab ends.

``python -m reconciler.lab.keeper FILE NAME FOLDER LEASH LOCK``: the last two are descriptors. Over the leash, a
socket, it tells the one who started it how it goes on, and ends when that one goes away before saying that the lab
is to stay. It starts nothing again by itself.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from intent.features.mesh import Mesh
from intent.problems import IntentError
from intent.secrets import PrivateKey
from reconciler import backends
from reconciler.core.errors import RefusedError, StellwerkError
from reconciler.lab import places
from reconciler.lab.disks import PROGRAMS
from reconciler.lab.fields import INTERNET
from reconciler.lab.file import LabFile, load
from reconciler.lab.folders import Folder
from reconciler.lab.internet import Providers
from reconciler.lab.layout import client_end, layout
from reconciler.lab.looking import look
from reconciler.lab.namespaces import (
    MS_PRIVATE,
    MS_REC,
    Place,
    become_root_of_new_namespaces,
    mount,
    of_process,
    set_host_name,
)
from reconciler.lab.places import LabMachine
from reconciler.lab.probe import probe
from reconciler.lab.programs import ip
from reconciler.lab.wires import Wires
from reconciler.services.collector import expect_many_objects
from reconciler.services.control_protocol import failure, short_path

STAY = b"stay\n"
_REQUEST_SECONDS = 5.0
_LARGEST_REQUEST = 1 << 16
_LOOK_SECONDS = 0.2
"""How often a node is looked at whose babeld waits for its configuration."""


class Keeper:
    """The process that holds a lab."""

    def __init__(self, file: LabFile, folder: Folder, tell: Callable[[dict[str, Any]], None]) -> None:
        self.file = file
        self.folder = folder
        self._tell = tell
        self._home = of_process("self", "net")
        self._namespaces = {"pid": of_process("self", "pid")}
        if os.readlink("/proc/self/ns/user") != os.environ.get("STELLWERK_LAB_USER_NAMESPACE"):
            self._namespaces["user"] = of_process("self", "user")
        self.layout = layout(file)
        self.machines: dict[str, LabMachine] = {}
        self.others: dict[str, Place] = {}
        self.providers: Providers | None = None
        self._without_babeld: set[str] = set()
        self._texts: dict[str, str] = {}
        self._keys: dict[str, dict[str, str]] = {}

    # The start.

    def build(self) -> None:
        """Make all of the lab and start its nodes. Raises StellwerkError, OSError."""
        self._make_keys()
        self._say("the wires")
        wires = places.make_place("wires", _prepare_wires)
        self.others["wires"] = wires
        self.wires = Wires(self.layout, wires, self._home)
        self.wires.make()
        if self.file.internet is not None:
            self._say("the Internet")
            place = self._plain(INTERNET, forwards=True)
            self.providers = Providers(self.file.internet, place, self._home)
            self.providers.make()
        for name, spec in self.file.nodes.items():
            machine = LabMachine(name, spec, self.file.intents.get(name), self.folder.node(name))
            machine.disk.mkdir(parents=True)
            places.write_disk(machine, self._texts.get(name, ""), self._keys.get(name, {}))
            self.machines[name] = machine
            self._say(f"node {name}")
            self._power_on(machine)
        for name, client in self.file.clients.items():
            self._say(f"client {name}")
            place = self._plain(name, forwards=False)
            link = client_end(name).interface
            ip(
                place,
                self._home,
                [
                    f"address add {client.address} dev {link} nodad",
                    f"route add default via {client.gateway} dev {link}",
                ],
            )

    def _say(self, step: str) -> None:
        self._tell({"step": step})

    def _make_keys(self) -> None:
        """Make the private keys, and put their public halves where the node files name those they stand for."""
        fresh: dict[str, str] = {}
        for name, spec in self.file.nodes.items():
            made = self._keys.setdefault(name, {})
            for path, public in spec.keys.items():
                key = PrivateKey(os.urandom(32))
                made[path] = base64.b64encode(key.reveal()).decode()
                fresh[public] = base64.b64encode(key.public).decode()
        for name, node in self.file.intents.items():
            text = node.source.text
            for public, other in fresh.items():
                text = text.replace(public, other)
            self._texts[name] = text

    def _plain(self, name: str, forwards: bool) -> Place:
        """Return a place without files of its own, with its cables and ``lo`` up."""
        place = places.make_place(name, lambda: _prepare_plain(name, forwards))
        self.others[name] = place
        self.wires.plug_in(place)
        ends = self.layout.ends_of(name)
        ip(place, self._home, ["link set lo up", *(f"link set {end.interface} up" for end in ends)])
        return place

    def _power_on(self, machine: LabMachine) -> None:
        """Start a node with an empty kernel."""
        place = places.make_place(machine.name, lambda: places.prepare_node(machine))
        machine.place = place
        self.wires.plug_in(place)
        lines = ["link set lo up"]
        lines += [f"link set {end.interface} up" for end in self.layout.ends_of(machine.name)]
        for line in self.file.internet.lines if self.file.internet else ():
            if line.node == machine.name:
                if line.address is not None:
                    lines.append(f"address add {line.address} dev {line.interface} nodad")
                if line.default:
                    lines.append(f"route add default via {line.gateway.ip} dev {line.interface} onlink proto static")
        ip(place, self._home, lines)
        if machine.intent is None:
            places.start_stranger(machine)
            return
        places.start_daemon(machine)
        mesh = machine.intent.get(Mesh)
        if mesh is not None and mesh.babeld.restart_command is None:
            self._without_babeld.add(machine.name)

    def _power_off(self, machine: LabMachine) -> None:
        """Kill a node as a power cut does: its cables fall silent first, so that nobody hears of it."""
        place = machine.place
        if place is None:
            return
        machine.place, machine.daemon = None, None
        self._without_babeld.discard(machine.name)
        places.kill_all_in(place.net)
        self.wires.pull_out(place)
        place.close()

    # The commands.

    def answer(self, connection: socket.socket, request: Mapping[str, Any]) -> None:
        """Do what is asked for over a connection, and answer. Raises StellwerkError, OSError."""
        command = request.get("command")
        if command == "enter":
            self._give(connection, str(request["place"]))
        elif command in ("break", "heal"):
            change = self._break if command == "break" else self._heal
            targets = [str(target) for target in request["targets"] or self._all_broken()]
            states = [change(target, bool(request.get("carrier"))) for target in targets]
            told = [{"target": target, "state": state} for target, state in zip(targets, states, strict=True)]
            # What a wire is like is known when all of them are changed.
            _send(connection, {"end": "done", "now": [{**one, "not_up": self._not_up(one["target"])} for one in told]})
        elif command == "status":
            self._in_child(connection, lambda: {"status": self._status()})
        elif command == "probe":
            self._in_child(connection, lambda: self._probe(connection, request))
        elif command == "down":
            os._exit(0)
        else:
            raise RefusedError(f"there is no command {command!r}")

    def _place(self, name: str) -> Place:
        """Return a place by its name. Raises RefusedError for one that is not there, or has no power."""
        machine = self.machines.get(name)
        if machine is not None and machine.place is None:
            raise RefusedError(f"{name} has no power; `stellwerk lab heal {name}` starts it")
        place = self.others.get(name) if machine is None else machine.place
        if place is None:
            known = [*self.machines, *(other for other in self.others if other != "wires")]
            raise RefusedError(f"there is no {name} in this lab; there are {', '.join(known)}")
        return place

    def _give(self, connection: socket.socket, name: str) -> None:
        place = self._place(name)
        given = {**self._namespaces, "net": place.net, "uts": place.uts, "mnt": place.mnt}
        told = {"end": "done", "namespaces": list(given), "environment": places.environment()["PATH"]}
        socket.send_fds(connection, [json.dumps(told).encode() + b"\n"], list(given.values()))

    def _all_broken(self) -> list[str]:
        """Return what can be healed: what was broken, and nodes whose daemon has ended."""
        return [*self.wires.breaks, *(name for name, one in self.machines.items() if one.without_daemon)]

    def _break(self, target: str, carrier: bool) -> str:
        """Break something, and return how it is then."""
        self.wires.break_(target, carrier)
        if target in self.machines:
            self._power_off(self.machines[target])
            return "no power"
        return "no carrier" if carrier else "silent"

    def _heal(self, target: str, carrier: bool) -> str:
        """Undo that, or start a daemon that has ended, and return how it is then."""
        machine = self.machines.get(target)
        if machine is not None and machine.without_daemon:
            places.start_daemon(machine)
            return "daemon started"
        self.wires.heal(target)
        if machine is not None and machine.place is None:
            self._power_on(machine)
            return "power"
        return "healed"

    def _not_up(self, target: str) -> dict[str, str]:
        """Return the ends of a target that carry nothing, and why."""
        states = {str(end): self.wires.state(end) for end in self.wires.ends(target)}
        return {end: state for end, state in states.items() if state != "up"}

    def _status(self) -> dict[str, Any]:
        return look(self.file, self.layout, self.machines, self.wires, self.providers)

    def _probe(self, connection: socket.socket, request: Mapping[str, Any]) -> dict[str, Any]:
        """Probe from a place, in a child of the lab's process."""
        place = self._place(str(request["place"]))
        internet = self.file.internet
        to = request.get("to") or (None if internet is None else str(internet.address))
        if to is None:
            raise RefusedError("this lab has no Internet; say --to ADDRESS")
        place.enter()
        seconds = request.get("seconds")
        connection.setblocking(True)
        _send(connection, {"event": "begun", "to": to})
        found = probe(to, None if seconds is None else float(seconds), float(request["every"]), connection)
        return {"probe": {**found, "to": to, "from": place.name}}

    def _in_child(self, connection: socket.socket, work: Callable[[], dict[str, Any]]) -> None:
        """Do work that takes long in a child, which answers."""
        if os.fork() == 0:
            try:
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_DFL)
                try:
                    told = {"end": "done", **work()}
                except (StellwerkError, OSError) as exc:
                    told = failure(exc)
                with contextlib.suppress(OSError):
                    _send(connection, told)
            except BaseException:  # noqa: BLE001 - the process ends with it, and the log shows it
                traceback.print_exc()
            finally:
                os._exit(0)

    # The wait.

    def keep(self, leash: socket.socket) -> None:
        """Serve until the lab is to end."""
        with short_path(self.folder.socket) as name, selectors.DefaultSelector() as selector:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            listener.bind(name)
            listener.listen(32)
            woken, wake = socket.socketpair()
            for end in (woken, wake):
                end.setblocking(False)
            signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
            for endpoint in (listener, woken, leash):
                selector.register(endpoint, selectors.EVENT_READ)
            self._tell({"built": True})
            while True:
                ready = {key.fileobj for key, _ in selector.select(_LOOK_SECONDS if self._without_babeld else None)}
                if woken in ready:
                    woken.recv(4096)
                if leash in ready:
                    selector.unregister(leash)
                    if leash.recv(len(STAY)) != STAY:
                        return
                    leash.close()
                if listener in ready:
                    self._serve(listener.accept()[0])
                self._reap()
                self._start_babelds()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_REQUEST_SECONDS)
            try:
                request = json.loads(_line(connection))
                self.answer(connection, request)
            except (StellwerkError, OSError) as exc:
                with contextlib.suppress(OSError):
                    _send(connection, failure(exc))
            except (ValueError, LookupError, TypeError) as exc:
                with contextlib.suppress(OSError):
                    _send(connection, failure(StellwerkError(f"this is no request to a lab: {exc!r}")))

    def _reap(self) -> None:
        """Take note of processes that have ended, also of those whose parents did before."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for machine in self.machines.values():
                if machine.daemon == pid:
                    code = os.waitstatus_to_exitcode(status)
                    machine.daemon = None
                    machine.ended = f"by signal {-code}" if code < 0 else f"with status {code}"

    def _start_babelds(self) -> None:
        """Start the babeld of nodes that may not do so themselves, once its configuration is there."""
        for name in list(self._without_babeld):
            machine = self.machines[name]
            mesh = None if machine.intent is None else machine.intent.get(Mesh)
            if machine.place is None or mesh is None:
                continue
            if places.path_of(machine, machine.place, mesh.babeld.config).exists():
                self._without_babeld.discard(name)
                with contextlib.suppress(StellwerkError):
                    places.run_inside(machine.place, (f"{PROGRAMS}/restart-babeld",), machine.log)


def _prepare_wires() -> None:
    for which in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")


def _prepare_plain(name: str, forwards: bool) -> None:
    set_host_name(name)
    if forwards:
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")


def _line(connection: socket.socket) -> bytes:
    said = b""
    while not said.endswith(b"\n") and len(said) < _LARGEST_REQUEST:
        part = connection.recv(_LARGEST_REQUEST)
        if not part:
            break
        said += part
    return said


def _send(connection: socket.socket, told: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(told).encode() + b"\n")


def main(arguments: list[str]) -> None:
    """Become the keeper of a lab and be it until its end."""
    path, name, folder, leash_number, _ = arguments
    leash = socket.socket(fileno=int(leash_number))
    leash.set_inheritable(False)
    os.environ["STELLWERK_LAB_USER_NAMESPACE"] = os.readlink("/proc/self/ns/user")
    try:
        become_root_of_new_namespaces()
    except StellwerkError as exc:
        _send(leash, failure(exc))
        return
    child = os.fork()
    if child:
        _send(leash, {"pid": child})
        os._exit(0)
    _be_first(path, name, Folder(Path(folder)), leash)


def _be_first(path: str, name: str, folder: Folder, leash: socket.socket) -> None:
    """Be the first process of the new process namespace."""
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    # Of signals the first process gets only those that it has a handler for, but for what is sent from outside.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell(told: dict[str, Any]) -> None:
        try:
            _send(leash, told)
        except OSError:
            os._exit(1)  # The one who started it has gone away.

    try:
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc")
        expect_many_objects()
        file = load(path)
        # The daemons that are forked later need all of them.
        list(backends.modules())
        gc.collect()
        # What is there by now is shared with the daemons as long as nobody writes to it.
        gc.freeze()
        os.chdir("/")
        keeper = Keeper(replace(file, name=name), folder, tell)
        keeper.build()
        keeper.keep(leash)
    except (StellwerkError, IntentError, OSError) as exc:
        with contextlib.suppress(OSError):
            _send(leash, failure(exc))
    except BaseException:  # noqa: BLE001 - the process ends with it, and the log shows it
        traceback.print_exc()
        with contextlib.suppress(OSError):
            _send(
                leash, failure(StellwerkError(f"the keeper of the lab ends for a fault of its own, see {folder.log}"))
            )
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
