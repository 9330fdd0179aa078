"""The unit for systemd: systemd takes it, and what it leaves the daemon of root's rights is enough for all it does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.errors import StellwerkError
from reconciler.services.control_client import Control
from tests.host import Host, until

UNIT = Path(__file__).parents[3] / "docs" / "service" / "stellwerk.service"
MOST_EXPOSED = 30
"""In tenths, of 100: what systemd itself calls OK begins below 50."""
PROGRAM = (sys.executable, "-c", "from reconciler.cli import main; main()")
END_SECONDS = 30.0
GROUP = "nogroup"
"""As with SupplementaryGroups=, which the unit names for --group."""

# wireguard-go's sockets are in one folder for all network namespaces, so the name is that of this test alone.
NODE = """
version: 1
node: exit-1
mesh:
  table: 10
  prefixes: ["fd00:6d65::/48"]
  uplinks: [wan]
  interfaces: [{name: mesh0, type: wired}]
  babeld: {socket: $folder/babeld.sock, config: $folder/etc/babeld.conf}
addresses: [{interface: mesh0, addresses: ["fd00:6d65::1/64"]}]
wireguard:
  - name: wg-unit
    private_key: {file: $folder/etc/keys/wg, generate: true}
    implementation: userspace
    listen_port: 443
    addresses: ["fe80::1/64"]
exit:
  allow_special_purpose: true
  prefixes: [{prefix: "2001:db8:42::/56", via: {interface: wan, gateway: "fe80::1"}}]
checks:
  - {ping: "$neighbour", interface: mesh0}
  - {babel_neighbours: 1}
"""

# What the unit says in words: nothing is writable but what it names, and no more capabilities than these.
SANDBOX = """
for folder in "$FOLDER/etc" "$FOLDER/state" "$FOLDER/run" "$FOLDER/tmp" /run/wireguard; do
    mkdir -p "$folder"
    mount --bind "$folder" "$folder"
done
mount -o remount,bind,ro /
umask 077
exec setpriv --no-new-privs --bounding-set="$CAPABILITIES" --groups="$GROUP" -- "$@"
"""


def said(name: str) -> list[str]:
    """Return the words that the unit gives a setting."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def capabilities() -> list[str]:
    (words,) = said("CapabilityBoundingSet")
    return [word.removeprefix("CAP_").lower() for word in words.split()]


class Service:
    """The daemon with the rights of the unit."""

    def __init__(self, host: Host, process: subprocess.Popen[bytes]) -> None:
        self._host = host
        self._socket = host.folder / "run" / "socket"
        self.process = process

    def until(self, condition: Callable[[dict[str, Any]], object], what: str) -> None:
        """Wait until the status is such. Raises TimeoutError, with the status and the log."""
        last: list[dict[str, Any]] = []

        def holds() -> bool:
            assert self.process.poll() is None, self.log()
            try:
                last[:] = [Control(self._socket).ask("status")["status"]]
            except StellwerkError:
                return False
            return bool(last[0]) and bool(condition(last[0]))

        try:
            until(holds, what)
        except TimeoutError as exc:
            exc.add_note(f"{last}\n{self.log()}")
            raise

    def confirm(self) -> None:
        """Keep the change that is on trial."""
        Control(self._socket).ask("confirm")

    def log(self) -> str:
        return (self._host.folder / "log").read_text()

    def end(self) -> int:
        """End it as systemd does, it alone, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_SECONDS)


@contextmanager
def service(host: Host, allowed: list[str], *options: str) -> Iterator[Service]:
    """Start the daemon in the host with those capabilities only, and end it."""
    (address,) = re.findall(r"inet6 (fe80::\S+)/64", host.neighbour.ip("address", "show", "dev", "mesh0"))
    file = host.node_file(NODE.replace("$neighbour", address))
    environment = {
        **os.environ,
        "FOLDER": str(host.folder),
        "GROUP": GROUP,
        "CAPABILITIES": ",".join(("-all", *(f"+{one}" for one in allowed))),
        "TMPDIR": str(host.folder / "tmp"),
        "STELLWERK_STATE_DIR": str(host.folder / "state"),
        "STELLWERK_SOCKET": str(host.folder / "run" / "socket"),
    }
    sandbox = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", SANDBOX, "sandbox")
    with (host.folder / "log").open("wb") as log:
        process = host.namespace.run(
            lambda: subprocess.Popen(
                (*sandbox, *PROGRAM, "run", str(file), *options), stdout=log, stderr=log, env=environment
            )
        )
    try:
        yield Service(host, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(END_SECONDS)


@pytest.mark.parametrize("file", sorted(UNIT.parent.glob("*.service")), ids=lambda path: path.name)
def test_systemd_understands_it_and_finds_it_hardened(file: Path, tmp_path: Path) -> None:
    # Only the place of the program is another one here.
    text = file.read_text().replace("ExecStart=stellwerk ", f"ExecStart={shutil.which('true')} ")
    unit = tmp_path / file.name
    unit.write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_what_it_allows_is_enough(node: Host) -> None:
    node.start_neighbour()
    with service(node, capabilities(), "--group", GROUP) as daemon:
        configuration = node.folder / "etc" / "babeld.conf"
        until(configuration.exists, "babeld's configuration")
        node.start_babeld("-G", str(node.socket), "-c", str(configuration))
        daemon.until(
            lambda status: status["sync"]["state"] == "synced" and status["health"]["state"] == "healthy",
            "a node that is as its file says, with checks that pass",
        )
        daemon.until(lambda status: [check["passed"] for check in status["checks"]] == [True, True], "the checks")
        daemon.confirm()
        held = Path(f"/proc/{daemon.process.pid}/status").read_text()
        (effective,) = re.findall(r"^CapEff:\s*(\S+)$", held, re.MULTILINE)
        assert bin(int(effective, 16)).count("1") == len(capabilities())
        assert "NoNewPrivs:\t1" in held
        assert (node.folder / "run" / "socket").group() == GROUP

        route = ("default", "from", "2001:db8:42::/56", "table", "10")
        node.namespace.ip("-6", "route", "delete", *route)
        until(lambda: "default" in node.namespace.ip("-6", "route", "show", *route), "the route that was deleted")

        # It sees what babeld was started with, and so what it does not know yet.
        file = node.folder / "node.yaml"
        file.write_text(file.read_text().replace("fd00:6d65::/48", "fd00:6d66::/48"))
        daemon.until(
            lambda status: any(
                "babeld" in one["description"] for one in status["objects"] if one["state"] == "pending"
            ),
            "a babeld that has to be restarted",
        )
        daemon.confirm()

        assert oct((node.folder / "etc" / "keys" / "wg").stat().st_mode & 0o777) == "0o600"
        assert daemon.end() == 0
    # As with KillMode=process, the programs that carry the tunnels go on.
    assert "listening port: 443" in node.namespace.program("wg", "show", "wg-unit")


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("net_admin", lambda status: any("address" in one["description"] for one in failed(status))),
        ("net_bind_service", lambda status: any("443" in one["description"] for one in failed(status))),
        ("net_raw", lambda status: any(not check["passed"] and "ping" in check["check"] for check in status["checks"])),
    ],
)
def test_it_allows_nothing_that_is_not_needed(
    node: Host, missing: str, complaint: Callable[[dict[str, Any]], bool]
) -> None:
    assert missing in capabilities()
    with service(node, [one for one in capabilities() if one != missing]) as daemon:
        daemon.until(complaint, f"what cannot be done without {missing}")


def failed(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in status["objects"] if one["state"] == "failed"]


def test_every_capability_is_known_to_be_needed() -> None:
    assert sorted(capabilities()) == ["net_admin", "net_bind_service", "net_raw"]
