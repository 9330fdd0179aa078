"""What must not happen to a node: foreign things touched, two at once, half of a change left behind."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from intent.expansion import expand, references
from intent.loading import load
from intent.resources.resource import Request, Resource
from reconciler.backends.references import resolve
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.backends.state_folder import StateFolder
from reconciler.backends.sysctl import SysctlFiles
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError
from reconciler.core.reconcile import apply, look
from tests.host import Host

KERNEL_PART = """
version: 1
node: exit-1
addresses:
  - {interface: mesh0, addresses: ["fd00:6d65::1/64", "10.99.0.1/24"]}
  - {interface: wan, addresses: ["fd00::7/64"]}
mesh:
  table: 10
  prefixes: ["fd00:6d65::/48"]
  uplinks: [wan]
  interfaces: [{name: mesh0}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf}
exit:
  allow_special_purpose: true
  prefixes: [{prefix: "2001:db8:42::/56", via: {interface: wan, gateway: "fe80::1"}}]
"""
NOTHING = "version: 1\nnode: exit-1\n"


def _make_foreign_things(node: Host) -> None:
    for words in (
        "link add br-foreign type bridge",
        "link set br-foreign up",
        "address add fd00:f::1/64 dev mesh0 nodad",
        "address add 10.98.0.1/24 dev mesh0",
        "-6 route add 2001:db8:77::/48 dev wan table 10",
        "-6 route add unreachable 2001:db8:78::/48 table 10 proto static",
        "-6 route add default from 2001:db8:79::/48 dev wan table 10 metric 99 proto 77",
        "-6 rule add priority 1000 fwmark 7 lookup 10",
        "-6 rule add priority 500 to 2001:db8:77::/48 lookup 10 protocol 9",
    ):
        node.namespace.ip(*words.split())


def _foreign_things(node: Host) -> dict[str, list[str]]:
    """Return everything the kernel shows that does not carry our mark, as its own tools print it."""
    looks = {
        "link": ("-o", "link", "show"),
        "address": ("-o", "address", "show"),
        "route": ("-6", "route", "show", "table", "all"),
        "rule": ("-6", "rule", "show"),
        "rule4": ("-4", "rule", "show"),
    }
    # The local table follows addresses and forwarding by itself.
    ours = ("proto 242", "proto 241", "fd00:6d65", "fd00::", "10.99.", "table local")
    return {
        name: [line for line in node.namespace.ip(*words).splitlines() if not any(mark in line for mark in ours)]
        for name, words in looks.items()
    }


def test_what_is_foreign_is_byte_for_byte_the_same_after_apply_and_after_removal(node: Host) -> None:
    _make_foreign_things(node)
    before = _foreign_things(node)
    node.apply(node.node_file(KERNEL_PART))
    assert _foreign_things(node) == before
    node.apply(node.node_file(NOTHING), "--allow-deletes")
    assert _foreign_things(node) == before


def test_forwarding_is_put_back(node: Host) -> None:
    def forwarding() -> str:
        return node.namespace.run(lambda: Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text())

    before = forwarding()
    node.apply(node.node_file(KERNEL_PART))
    assert forwarding() == "1\n"
    node.apply(node.node_file(NOTHING), "--allow-deletes")
    assert forwarding() == before


@pytest.mark.parametrize(
    "words",
    [
        "-6 route add default from 2001:db8:42::/56 dev mesh0 table 10 proto static metric 512",
        "-6 route add unreachable default from 2001:db8:42::/56 table 10 proto 99 metric 512",
    ],
)
def test_a_foreign_object_in_the_way_stops_everything(node: Host, words: str) -> None:
    node.namespace.ip(*words.split())
    before = _foreign_things(node)
    said = node.apply(node.node_file(KERNEL_PART))
    assert said.code == 4
    assert "not ours" in said.out
    assert _foreign_things(node) == before
    assert "242" not in node.namespace.ip("-6", "rule", "show")


def test_two_at_once_are_refused(node: Host) -> None:
    with StateFolder(node.folder / "state").locked():
        said = node.apply(node.node_file(KERNEL_PART))
    assert said.code == 4
    assert str(os.getpid()) in said.err


def test_a_missing_interface_is_named_and_the_rest_is_done(node: Host) -> None:
    """A radio that died must not keep a node from making the links by which it is reached."""
    node.namespace.ip("link", "delete", "wan")
    without_babel = KERNEL_PART.replace("mesh:", "nomesh:").split("nomesh:")[0]
    file = node.node_file(without_babel)
    said = node.apply(file)
    assert said.code == 2, said.out + said.err
    assert "? address fd00::7/64 dev wan" in said.out
    assert "waits for link wan, which does not exist" in said.out
    assert "fd00:6d65::1/64" in node.namespace.ip("address")
    node.namespace.ip("link", "add", "wan", "type", "bridge")
    assert node.apply(file).code == 0


def test_without_rights_nothing_is_changed_and_said_so(node: Host) -> None:
    program = Path(sys.executable).with_name("stellwerk")
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(program), "apply", "-"]
    text = node.node_file(KERNEL_PART).read_text()
    done = node.namespace.run(lambda: subprocess.run(command, input=text, capture_output=True, text=True, check=False))
    assert done.returncode == 1
    assert "run it as root" in done.stderr
    assert "Traceback" not in done.stderr


class _Killed(BaseException):
    """The process is no more."""


class _Mortal(Backend):
    """A real backend that carries out a number of requests, and then the process ends."""

    def __init__(self, real: Backend, life: Iterator[None]) -> None:
        self.tables = real.tables  # type: ignore[misc]
        self.requests = real.requests  # type: ignore[misc]
        self._real = real
        self._life = life

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        return self._real.dump(wanted)

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        results: list[BackendError | None] = []
        for request in requests:
            if next(self._life, self) is self:
                raise _Killed
            results += self._real.send([request])
        return results

    def close(self) -> None:
        self._real.close()


def test_killed_at_any_request_the_next_apply_ends_in_the_same_state(node: Host) -> None:
    desired = _kernel_part(node)
    nothing: tuple[Resource, ...] = ()
    store = StateFolder(node.folder / "state")
    fresh = _foreign_things(node)

    def go(target: tuple[Resource, ...], life: Iterator[None]) -> bool:
        """Apply with so much life; return whether it lived to the end."""
        backends = [_Mortal(Rtnetlink(), life), _Mortal(SysctlFiles(), life)]
        try:
            done = apply(look(target, backends, store), target, backends, store)
        except _Killed:
            return False
        finally:
            for backend in backends:
                backend.close()
        assert not done.failed
        return True

    def in_sync() -> bool:
        backend = Rtnetlink()
        with contextlib.closing(backend):
            return look(desired, [backend, SysctlFiles()], store).plan.empty

    def run() -> int:
        requests = 0
        while not go(desired, iter([None] * requests)):
            assert go(desired, iter([None] * 1000))
            assert in_sync()
            assert go(nothing, iter([None] * 1000))
            requests += 1
        while not go(nothing, iter([None] * (requests - 1))) and requests > 0:
            assert go(nothing, iter([None] * 1000))
            assert go(desired, iter([None] * 1000))
            requests -= 1
        return requests

    node.namespace.run(run)
    node.namespace.run(lambda: go(nothing, iter([None] * 1000)))
    assert _foreign_things(node) == fresh
    assert store.load().entries == {}


def _kernel_part(node: Host) -> tuple[Resource, ...]:
    """Return what the node file asks of the kernel alone."""
    loaded = load(str(node.node_file(KERNEL_PART)))
    wanted = expand(loaded, resolve(references(loaded)).references)
    return tuple(one for one in wanted if one.table in {"address", "route", "rule", "sysctl", "link"})
