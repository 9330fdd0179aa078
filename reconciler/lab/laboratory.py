"""Labs from the outside: start one, ask its keeper, run programs in its places.

In tests::

    with laboratory("examples/lab/two-nodes/lab.yaml", tmp_path) as lab:
        lab.until_synced()
        with lab.probing("alice") as probe:
            lab.break_("exit-n1")
            …
        assert probe.result["longest_gap"] < 10
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.core.errors import StellwerkError, UnreachableError
from reconciler.lab.file import LabFile, load
from reconciler.lab.folders import Folder, base
from reconciler.lab.keeper import STAY
from reconciler.lab.places import environment
from reconciler.services.control_protocol import error_of, short_path

SYNC_SECONDS = 120.0
_BUILD_SECONDS = 600.0
_ANSWER_SECONDS = 120.0
_PAUSE_SECONDS = 0.1
_SETTLE_SECONDS = 3.0
_MOST_NAMESPACES = 8
_OPTIONS = {"user": "--user", "pid": "--pid", "mnt": "--mount", "net": "--net", "uts": "--uts"}


class Lab:
    """A lab that runs, spoken to over the socket of its keeper."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.name = folder.path.name

    def status(self) -> dict[str, Any]:
        """Return how it is: the JSON of ``stellwerk lab status --json``. Raises StellwerkError."""
        found: dict[str, Any] = self._ask("status")["status"]
        return found

    def break_(self, *targets: str, carrier: bool = False) -> list[dict[str, Any]]:
        """Break wires, nodes or interfaces (``node:interface``). Raises RefusedError for what is not there.

        Returns how each is then: its ``target`` and ``state``, and which ends are ``not_up`` and why.
        """
        return self._changed("break", targets=targets, carrier=carrier)

    def heal(self, *targets: str) -> list[dict[str, Any]]:
        """Undo `break_`, and start daemons that have ended, without names all of it; returns the same.

        Raises RefusedError for what is not broken.
        """
        return self._changed("heal", targets=targets)

    def _changed(self, command: str, **arguments: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask(command, **arguments)["now"]
        return found

    def run(
        self, place: str, *command: str, text: str | None = None, seconds: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a node, a client or the Internet, and return how it ended and what it said.

        Raises StellwerkError for a place that is not there, subprocess.TimeoutExpired.
        """
        with self._entered(place, command, None) as (argv, descriptors, environment):
            return subprocess.run(
                argv,
                input=text,
                stdin=subprocess.DEVNULL if text is None else None,
                pass_fds=descriptors,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )

    def execute(self, place: str, command: Sequence[str]) -> None:
        """Become a program in a place, in this folder. Raises StellwerkError; else it does not return."""
        with self._entered(place, command, os.getcwd()) as (argv, descriptors, environment):
            for descriptor in descriptors:
                os.set_inheritable(descriptor, True)
            try:
                os.execvpe(argv[0], argv, environment)  # noqa: S606 - no shell is meant
            except OSError as exc:
                raise StellwerkError(
                    f"{argv[0]} cannot be run: {exc.strerror}; it is in the package util-linux"
                ) from exc

    def probe(self, place: str, to: str | None = None, seconds: float = 10.0, every: float = 0.05) -> dict[str, Any]:
        """Send echo requests from a place, to the Internet's host unless told, and return what became of them.

        The result has ``sent``, ``answered``, ``lost``, ``unsendable``, ``errors`` (what routers answered instead),
        ``longest_gap`` in seconds, ``longest_gap_from`` and ``gaps`` (pairs of times of `time.monotonic`). Stopped by
        the keyboard it ends earlier.
        """
        running = Probe(self, place, to, seconds, every)
        try:
            return running.wait(seconds + _ANSWER_SECONDS)
        except KeyboardInterrupt:
            # As with ping(8): what was found until then is worth having.
            return running.stop()

    @contextlib.contextmanager
    def probing(self, place: str, to: str | None = None, every: float = 0.05) -> Iterator[Probe]:
        """Probe while the block runs; then the ``result`` of what it gives is there."""
        with contextlib.closing(Probe(self, place, to, None, every)) as running:
            yield running
            running.stop()

    def until(
        self, condition: Callable[[dict[str, Any]], bool], what: str, seconds: float = SYNC_SECONDS
    ) -> dict[str, Any]:
        """Return the first status for which the condition holds. Raises TimeoutError with the last one."""
        end = time.monotonic() + seconds
        while True:
            begun = time.monotonic()
            if condition(status := self.status()):
                return status
            if begun > end:
                raise TimeoutError(f"{what}: not within {seconds:.0f} s\n{json.dumps(status, indent=1)}")
            # Where a look takes long, most of the time is left to those who are looked at.
            time.sleep(max(_PAUSE_SECONDS, time.monotonic() - begun))

    def until_synced(self, seconds: float = SYNC_SECONDS) -> dict[str, Any]:
        """Return the first status by which every node with power is in sync and healthy. Raises TimeoutError."""
        return self.until(lambda status: not list(unfinished(status)), "every node in sync", seconds)

    def down(self) -> None:
        """End it, also where its keeper is dead, and remove all that it left. Raises StellwerkError."""
        # That it goes away without an answer is how it ends.
        with contextlib.suppress(UnreachableError):
            self._ask("down")
        self.folder.await_end()
        self.folder.remove()

    def is_alive(self) -> bool:
        """Return whether its keeper lives."""
        return self.folder.is_held()

    def connect(self, command: str, **arguments: Any) -> socket.socket:
        """Return a connection on which a command was given. Raises UnreachableError where the keeper is dead."""
        endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            endpoint.settimeout(_ANSWER_SECONDS)
            with short_path(self.folder.socket) as name:
                endpoint.connect(name)
            endpoint.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
        except OSError as exc:
            endpoint.close()
            raise UnreachableError(
                f"the lab {self.name} is dead: its keeper does not answer; `stellwerk lab down {self.name}` removes "
                "what it left"
            ) from exc
        return endpoint

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        with self.connect(command, **arguments) as endpoint:
            return _end(endpoint)

    @contextlib.contextmanager
    def _entered(
        self, place: str, command: Sequence[str], folder: str | None
    ) -> Iterator[tuple[list[str], tuple[int, ...], dict[str, str]]]:
        """Give the command line that enters a place and runs a program there, with the descriptors that it needs."""
        with self.connect("enter", place=place) as endpoint:
            said, descriptors, _, _ = socket.recv_fds(endpoint, 1 << 16, _MOST_NAMESPACES)
            told = _checked(json.loads(said))
        try:
            names = told["namespaces"]
            options = [f"{_OPTIONS[name]}=/proc/self/fd/{one}" for name, one in zip(names, descriptors, strict=True)]
            if "user" in names:
                options.append("--preserve-credentials")
            # A folder that is not there in the place is none to be in.
            script = 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"'
            argv = ["nsenter", *options, "--", "sh", "-c", script, "sh", folder or "/", *command]
            environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
            yield argv, tuple(descriptors), {**environment, "PATH": told["environment"]}
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


_NOT_INHERITED = ("STELLWERK_STATE_DIR", "STELLWERK_SOCKET")


class Probe:
    """Echo requests that are being sent from a place. ``result`` is there when it has ended; see `Lab.probe`."""

    def __init__(self, lab: Lab, place: str, to: str | None, seconds: float | None, every: float) -> None:
        self._endpoint = lab.connect("probe", place=place, to=to, seconds=seconds, every=every)
        self._answers = self._endpoint.makefile("rb")
        self.to = str(self._next()["to"])
        self.result: dict[str, Any] = {}

    def stop(self) -> dict[str, Any]:
        """End it, and return what became of the requests; the last answers are waited for."""
        if not self.result:
            self._endpoint.sendall(b"stop\n")
        return self.wait(_ANSWER_SECONDS)

    def wait(self, seconds: float) -> dict[str, Any]:
        """Return what became of the requests, once it has ended. Raises StellwerkError."""
        if not self.result:
            self._endpoint.settimeout(seconds)
            self.result = self._next()["probe"]
            self.close()
        return self.result

    def close(self) -> None:
        """End it, whatever became of the requests."""
        self._answers.close()
        self._endpoint.close()

    def _next(self) -> dict[str, Any]:
        try:
            line = self._answers.readline()
        except OSError as exc:
            raise UnreachableError(f"the probe does not answer: {exc}") from exc
        return _told(line)


def _end(endpoint: socket.socket) -> dict[str, Any]:
    with endpoint.makefile("rb") as answers:
        try:
            line = answers.readline()
        except OSError as exc:
            raise UnreachableError(f"the lab does not answer: {exc}") from exc
    return _told(line)


def _told(line: bytes) -> dict[str, Any]:
    if not line:
        raise UnreachableError("the lab has ended")
    return _checked(json.loads(line))


def _checked(told: dict[str, Any]) -> dict[str, Any]:
    if told.get("end") == "error":
        raise error_of(told)
    return told


def unfinished(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the nodes that are not in sync and healthy, and why."""
    for name, node in status["nodes"].items():
        if not node["power"] or not node["stellwerk"]:
            continue
        own = node["status"]
        if node["daemon"] != "running":
            yield name, f"its daemon {node['daemon']}; `stellwerk lab log {name}`"
        elif own is None:
            yield name, "its daemon has not begun"
        elif own["sync"]["state"] != "synced":
            pending = [f"{one['description']}: {one['reason']}" for one in own["objects"]]
            yield name, "; ".join([own["sync"]["reason"] or own["sync"]["state"], *pending, *own["health"]["reasons"]])
        elif own["health"]["state"] != "healthy":
            yield name, "; ".join(own["health"]["reasons"])


def _refuse_missing(file: LabFile) -> None:
    """Raise StellwerkError where a program is missing that every lab needs, or this one."""
    shaped = any(wire.delay or wire.loss for wire in file.wires)
    needed = ["ip", "babeld", "nsenter", *(["nft"] if file.internet is not None else []), *(["tc"] if shaped else [])]
    missing = [program for program in needed if shutil.which(program, path=environment()["PATH"]) is None]
    if missing:
        packages = {"ip": "iproute2", "tc": "iproute2", "nsenter": "util-linux", "nft": "nftables"}
        names = " ".join(dict.fromkeys(packages.get(program, program) for program in missing))
        them = "it" if len(missing) == 1 else "them"
        raise StellwerkError(f"a lab needs {', '.join(missing)}: install {them} (on Debian `apt-get install {names}`)")


class Start:
    """A lab that is being started. It ends with the one who started it, until `stay` is said."""

    def __init__(self, file: LabFile, name: str, where: Path | None = None) -> None:
        """Start it. Raises RefusedError where one of that name runs, StellwerkError where a program is missing."""
        _refuse_missing(file)
        self.folder = Folder((where or base()) / name)
        self._lock = self.folder.take()
        self._leash, theirs = socket.socketpair()
        try:
            self._process = self._begin(file, name, theirs)
        except BaseException as exc:
            self._leash.close()
            os.close(self._lock)
            self.folder.remove()
            if isinstance(exc, OSError):
                what = exc.filename or sys.executable
                raise StellwerkError(f"the lab cannot be started: {what}: {exc.strerror}") from exc
            raise
        self._leash.settimeout(_BUILD_SECONDS)
        self._answers = self._leash.makefile("rb")

    def _begin(self, file: LabFile, name: str, theirs: socket.socket) -> subprocess.Popen[bytes]:
        with theirs, self.folder.log.open("wb") as log:
            words = (os.path.abspath(file.path), name, str(self.folder.path.absolute()))
            descriptors = (theirs.fileno(), self._lock)
            return subprocess.Popen(
                (sys.executable, "-P", "-m", "reconciler.lab.keeper", *words, *map(str, descriptors)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                start_new_session=True,
            )

    def build(self, tell: Callable[[str], None]) -> Lab:
        """Return the lab once it is built; ``tell`` hears of each step. Raises StellwerkError."""
        while line := self._line():
            told = _checked(json.loads(line))
            if "step" in told:
                tell(told["step"])
            if "built" in told:
                self._process.wait()
                return Lab(self.folder)
        said = self.folder.log.read_text(errors="replace").strip().splitlines()
        raise StellwerkError(f"the keeper of the lab died: {said[-1] if said else 'without a word'}")

    def _line(self) -> bytes:
        try:
            return self._answers.readline()
        except TimeoutError as exc:
            raise StellwerkError(f"the lab is not built after {_BUILD_SECONDS:.0f} s: a command that hangs?") from exc

    def stay(self) -> None:
        """Have the lab go on by itself."""
        self._leash.sendall(STAY)
        self._close()

    def give_up(self) -> None:
        """End it, and remove all that it left. Raises StellwerkError."""
        self._close()
        self._process.wait()
        self.folder.await_end()
        self.folder.remove()

    def _close(self) -> None:
        self._answers.close()
        self._leash.close()
        with contextlib.suppress(OSError):
            os.close(self._lock)


@contextlib.contextmanager
def laboratory(path: str | Path, where: Path, name: str | None = None) -> Iterator[Lab]:
    """Give the lab that a file describes, built but not yet in sync, in a folder below ``where``; then it is gone.

    Raises IntentError, StellwerkError.
    """
    file = load(str(path))
    start = Start(file, name or file.name, where)
    try:
        yield start.build(lambda step: None)
    finally:
        start.give_up()


def is_decided(node: Mapping[str, Any]) -> bool:
    """Return whether a node that is not in sync stays so until somebody does something, by its part of the status.

    So is one whose daemon has ended, and one of which something failed for good, such as what its kernel lacks, and
    nothing else is tried again: what is missing besides waits for that.
    """
    if node["daemon"] != "running":
        return True
    objects = [] if node["status"] is None else node["status"]["objects"]
    failed = [one for one in objects if one["state"] == "failed"]
    return bool(failed) and all(one["retry_in"] is None for one in failed)


def await_sync(
    lab: Lab, seconds: float, look: Callable[[dict[str, Any], dict[str, str]], None], settle: float = _SETTLE_SECONDS
) -> dict[str, str]:
    """Wait until every node is in sync and healthy; return those that are not, and why.

    It ends when the time is over, or when all that are left are decided and have not changed for ``settle`` seconds.
    ``look`` hears of each look: the status, and what is left by it.
    """
    begun = changed = time.monotonic()
    before: object = None
    while True:
        looked = time.monotonic()
        status = lab.status()
        left = dict(unfinished(status))
        look(status, left)
        nodes = {name: status["nodes"][name] for name in left}
        now = {name: (node["daemon"], _objects(node)) for name, node in nodes.items()}
        if now != before or not all(map(is_decided, nodes.values())):
            changed, before = looked, now
        if not left or looked > begun + seconds or looked > changed + settle:
            return left
        time.sleep(max(_PAUSE_SECONDS, time.monotonic() - looked))


def _objects(node: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return what of a node is not as it should be, without what changes by itself."""
    return [] if node["status"] is None else [(one["key"], one["state"]) for one in node["status"]["objects"]]
