"""Making the places of a lab, and starting and ending what runs in a node."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from intent.document import Node
from intent.features.mesh import Mesh
from reconciler.core.errors import StellwerkError
from reconciler.core.permission import Mode
from reconciler.lab.disks import PROGRAMS, Files
from reconciler.lab.file import LabNode, key_files
from reconciler.lab.namespaces import NEWNET, NEWNS, NEWUTS, Place, of_process, set_host_name, unshare
from reconciler.lab.own_files import RUN, babelds_of, folder_of, folders_of, is_below
from reconciler.lab.programs import ProgramError
from reconciler.services import logs
from reconciler.services.control_protocol import SOCKET
from reconciler.services.daemon import Daemon, Settings

NODE_FILE = "/etc/stellwerk/node.yaml"
STATE_FOLDER = Path("/var/lib/stellwerk")
BABELD_PID = "/run/babeld.pid"
BABELD_SOCKET = "/run/babeld.sock"
BABELD_LOG = "/run/babeld.log"
_STRANGERS_CONFIGURATION = "/run/babeld.conf"
_NOT_INHERITED = ("STELLWERK_STATE_DIR", "STELLWERK_SOCKET", "NOTIFY_SOCKET", "JOURNAL_STREAM")
_BEGIN_SECONDS = 120.0
_PAUSE_SECONDS = 0.01


@dataclass(slots=True)
class LabMachine:
    """A node of the lab: what it is to be, and what runs of it. ``place`` is None while it has no power."""

    name: str
    spec: LabNode
    intent: Node | None
    folder: Path
    place: Place | None = None
    daemon: int | None = None
    ended: str | None = None
    """How its daemon ended, where it did."""

    @property
    def without_daemon(self) -> bool:
        """Whether it has power, and its daemon has ended."""
        return self.intent is not None and self.place is not None and self.daemon is None

    @property
    def disk(self) -> Path:
        """What it keeps when its power fails."""
        return self.folder / "disk"

    @property
    def log(self) -> Path:
        """What its daemon says."""
        return self.folder / "daemon.log"


def environment() -> dict[str, str]:
    """Return the environment of programs in a place."""
    found = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    path = found.get("PATH", os.defpath)
    return {**found, "PATH": f"{PROGRAMS}:{path}:/usr/sbin:/sbin"}


def make_place(name: str, prepare: Callable[[], None]) -> Place:
    """Return a place of new namespaces, which ``prepare`` made ready from the inside. Raises StellwerkError."""
    told, tell = os.pipe()
    hold, let_go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.close(let_go)
        _live(prepare, tell, hold)
    os.close(tell)
    os.close(hold)
    try:
        with open(told, "rb") as pipe:
            said = pipe.read()
        if said:
            raise StellwerkError(f"{name}: its namespaces cannot be made: {said.decode(errors='replace')}")
        return Place(
            name,
            of_process(child, "net"),
            of_process(child, "mnt"),
            of_process(child, "uts"),
            os.open(f"/proc/{child}/root/run", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC),
        )
    finally:
        os.close(let_go)
        os.waitpid(child, 0)


def _live(prepare: Callable[[], None], tell: int, hold: int) -> NoReturn:
    """Prepare, say what went wrong if anything, and wait until the namespaces are held by another."""
    said = ""
    try:
        unshare(NEWNET | NEWNS | NEWUTS)
        prepare()
        for which in ("default", "all"):
            # What is looked for would delay every address by a second, and no two interfaces have the same one.
            Path(f"/proc/sys/net/ipv6/conf/{which}/accept_dad").write_text("0")
    except Exception as exc:  # noqa: BLE001 - it is told to the process that waits
        said = str(exc) if isinstance(exc, OSError | StellwerkError) else traceback.format_exc()
    finally:
        os.write(tell, said.encode()[:4096])
        os.close(tell)
        if not said:
            os.read(hold, 1)
        os._exit(0)


def prepare_node(machine: LabMachine) -> None:
    """Make ready the files of a node, from inside its namespaces. Raises OSError, StellwerkError."""
    set_host_name(machine.name)
    files = Files(machine.disk)
    for folder in folders_of(_files_of(machine)):
        files.own(folder)
    files.boot(str(uuid.uuid4()))
    files.program(
        "stellwerk", _program(f"exec {sys.executable} -P -c 'from reconciler.cli import main; main()' \"$@\"")
    )
    files.program("restart-babeld", _restart_babeld(machine))
    command = _restart_command(machine.intent)
    if command is not None and os.path.basename(command) not in ("stellwerk", "restart-babeld"):
        files.program(command, _program(f"exec {PROGRAMS}/restart-babeld"))


def _files_of(machine: LabMachine) -> set[str]:
    """Return the files that the node, or the lab on its behalf, writes."""
    node = machine.intent
    return set(machine.spec.keys) | (set() if node is None else key_files(node) | babelds_of(node))


def _restart_command(node: Node | None) -> str | None:
    mesh = None if node is None else node.get(Mesh)
    return None if mesh is None or mesh.babeld.restart_command is None else mesh.babeld.restart_command[0]


def _program(*lines: str) -> str:
    return "\n".join(("#!/bin/sh -e", *lines, ""))


def _restart_babeld(machine: LabMachine) -> str:
    """Return the program that ends the node's babeld and starts it, as a service manager would."""
    mesh = None if machine.intent is None else machine.intent.get(Mesh)
    if mesh is not None:
        address, configuration = mesh.babeld.socket, mesh.babeld.config
        interfaces: tuple[str, ...] = ()
    else:
        address, configuration = BABELD_SOCKET, _STRANGERS_CONFIGURATION
        interfaces = machine.spec.interfaces
    listen = f"-G {address if address.startswith('/') else address.rpartition(':')[2]}"
    options = f"-D -I {BABELD_PID} -S /var/lib/babeld/state -L {BABELD_LOG} {listen} -c {configuration}"
    return _program(
        # Nodes share their process numbers: that of a babeld which is gone may be another node's now.
        'own() { [ "$(cat /proc/$old/comm 2>/dev/null)" = babeld ] &&',
        '    [ "$(readlink /proc/$old/ns/net)" = "$(readlink /proc/self/ns/net)" ]; }',
        "end() { kill -$1 $old 2>/dev/null || :; for i in $(seq 100); do own || return 0; sleep 0.05; done; }",
        f"old=$(cat {BABELD_PID} 2>/dev/null || :)",
        "if own; then end TERM; fi",
        # One that is stopped hears nothing else.
        "if own; then end KILL; fi",
        # One that was killed leaves both, and then does not start again.
        f"rm -f {BABELD_PID} {address if address.startswith('/') else ''}",
        f"exec babeld {options} {' '.join(interfaces)}",
    )


def start_daemon(machine: LabMachine) -> None:
    """Start the node's daemon. Raises OSError."""
    place = machine.place
    if place is None:
        return
    machine.ended = None
    child = os.fork()
    if child == 0:
        _become(place, machine.log)
        status = 1
        try:
            logs.begin()
            Daemon(Settings(STATE_FOLDER, SOCKET, Path(NODE_FILE), None, Mode.ENFORCE)).run()
            status = 0
        except StellwerkError as exc:
            print(f"stellwerk: {exc}", file=sys.stderr, flush=True)
        except BaseException:  # noqa: BLE001 - the process ends with it, and the log shows it
            traceback.print_exc()
        finally:
            os._exit(status)
    machine.daemon = child


def _become(place: Place, log: Path) -> None:
    """Make this child of the lab's process one of a place, with its words in a file."""
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    place.enter()
    _close_as_exec_does()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment())


def _close_as_exec_does() -> None:
    """Close what a program that is started would not have, such as namespaces of others, which would live on."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if not os.get_inheritable(number):
                os.close(number)


def run_inside(place: Place, command: tuple[str, ...], log: Path) -> None:
    """Run a program in a place, all of whose files it sees, with its words in a file. Raises ProgramError."""
    child = os.fork()
    if child == 0:
        try:
            _become(place, log)
            os.execvpe(command[0], command, dict(os.environ))  # noqa: S606 - no shell is meant
        finally:
            os._exit(127)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise ProgramError(place.name, " ".join(command), _last_line(log) or f"status {code}")


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""
    return ""


def start_stranger(machine: LabMachine) -> None:
    """Run the commands and the babeld of a node without Stellwerk. Raises ProgramError, OSError."""
    place = machine.place
    if place is None:
        return
    for command in machine.spec.commands:
        run_inside(place, ("sh", "-ec", command), machine.log)
    if machine.spec.interfaces or machine.spec.babeld:
        lines = "".join(f"{line}\n" for line in machine.spec.babeld)
        Path(f"{place.files}/{os.path.basename(_STRANGERS_CONFIGURATION)}").write_text(lines)
        run_inside(place, (f"{PROGRAMS}/restart-babeld",), machine.log)


def kill_all_in(net: int) -> None:
    """Kill every process in a network namespace, as a power cut does, and wait until they are gone."""
    end = time.monotonic() + _BEGIN_SECONDS
    wanted = os.fstat(net).st_ino
    while found := _processes_in(wanted):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            raise StellwerkError(f"processes {found} cannot be killed")
        time.sleep(_PAUSE_SECONDS)


def _processes_in(inode: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                # A process that was killed has none any more, also while nobody has asked for its status.
                if os.stat(f"/proc/{name}/ns/net").st_ino == inode:
                    found.append(int(name))
    return found


def path_of(machine: LabMachine, place: Place, path: str) -> Path:
    """Return where the lab's process finds a file of a node's own."""
    folder = folder_of(path)
    above = place.files + folder.removeprefix(RUN) if is_below(folder, RUN) else f"{machine.disk}{folder}"
    return Path(above, os.path.basename(path))


def write_disk(machine: LabMachine, text: str, keys: Mapping[str, str]) -> None:
    """Put a node file and private keys on the disk of a node. Raises OSError."""
    if machine.intent is not None:
        file = Path(f"{machine.disk}{NODE_FILE}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for path, key in keys.items():
        own = Path(f"{machine.disk}{path}")
        own.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        own.touch(0o600)
        own.write_text(f"{key}\n")
