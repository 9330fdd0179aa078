"""``stellwerk lab``: a mesh of network namespaces, to try things in."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.lab_options import Address, ShortTime, completing, lab_argument, lab_option
from reconciler.cli.options import Duration

if TYPE_CHECKING:
    from reconciler.lab.laboratory import Lab

_PLACES = completing("nodes", "clients", "internet")
_TARGETS = completing("wires", "nodes", "ends")


@click.group(
    short_help="Try things in a mesh of network namespaces.",
    epilog="""\b
Examples:
  stellwerk lab up examples/lab/two-nodes/lab.yaml
  stellwerk lab status
  stellwerk lab exec alice ping -c 3 2001:db8:ffff::1
  stellwerk lab exec roof stellwerk status
  stellwerk lab break cable
  stellwerk lab probe alice --for 20s
  stellwerk lab heal
  stellwerk lab down""",
)
def command() -> None:
    """Try things in a mesh of network namespaces: real babeld and the real daemon in each node.

    One file describes the nodes, what joins them, their clients and an Internet. All of it runs on this machine, as
    any user where the kernel allows that, changes nothing of the machine, and is gone after `stellwerk lab down`.
    """


@command.command(
    "up",
    short_help="Start a lab.",
    epilog="""\b
Examples:
  stellwerk lab up examples/lab/two-nodes/lab.yaml
  stellwerk lab up mesh.yaml --name second --timeout 5m""",
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--name", metavar="NAME", help="The lab's name.  [default: the one in FILE, else that of FILE]")
@click.option(
    "--timeout", type=Duration(), default="2m", show_default=True, help="How long nodes may take to be in sync."
)
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON at the end.")
def up(file: Path, name: str | None, timeout: int, as_json: bool) -> int:
    """Start the lab that FILE describes, and wait until every node is in sync and healthy.

    Then it waits for a few seconds until nodes hear each other and clients are answered, and notes what is missing.
    What cannot come, such as a tunnel that this kernel does not make, is not waited for.
    Where some are not in time, it says which and why, ends with 2, and the lab runs all the same. Stopped by the
    keyboard it leaves nothing.
    """
    from reconciler.cli import exit_codes, lab_text
    from reconciler.core.errors import StellwerkError
    from reconciler.lab.fields import name_problem
    from reconciler.lab.file import load
    from reconciler.lab.laboratory import Start, await_sync
    from reconciler.lab.mesh import await_mesh

    found = load(str(file))
    if name is not None and (problem := name_problem(name)) is not None:
        raise click.UsageError(f"--name {problem}")
    progress = lab_text.Progress(sys.stderr)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    start = Start(found, name or found.name)
    try:
        lab = start.build(progress.step)
        left = await_sync(lab, timeout, progress.look)
        missing = [] if left else await_mesh(lab, progress.missing)
        status = lab.status()
        start.stay()
    except BaseException as exc:
        progress.done()
        start.give_up()
        if isinstance(exc, StellwerkError):
            raise type(exc)(f"{exc}; nothing is left of the lab") from exc
        if isinstance(exc, KeyboardInterrupt):
            click.echo("stellwerk: stopped by the keyboard; nothing is left of the lab", err=True)
            return exit_codes.INTERRUPTED
        raise
    progress.done()
    if as_json:
        click.echo(json.dumps(status, indent=2))
    else:
        for line in lab_text.up_lines(status, left, missing, progress.noted):
            click.echo(line)
    return exit_codes.DIFFERENT if left else exit_codes.DONE


@command.command(
    "status",
    short_help="How is a lab?",
    epilog="""\b
Examples:
  stellwerk lab status
  stellwerk lab status two-nodes --json""",
)
@lab_argument
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def status(name: str | None, as_json: bool) -> int:
    """Show how a lab is: its nodes, their babel neighbours and default routes, its wires, what providers refused.

    Without NAME, that of the only lab, or the names of all there are. Exits 0 when every node with power is in sync and
    healthy, 2 when one is not, 1 when the lab is dead.
    """
    from reconciler.cli import exit_codes, lab_text
    from reconciler.core.errors import UnreachableError
    from reconciler.lab.folders import find, labs
    from reconciler.lab.laboratory import Lab, unfinished

    known = labs()
    if name is None and len(known) != 1:
        alive = {one: Lab(find(one)).is_alive() for one in known}
        click.echo(json.dumps({"labs": alive}, indent=2) if as_json else lab_text.list_of(alive))
        return exit_codes.DONE
    lab = Lab(find(name))
    try:
        found = lab.status()
    except UnreachableError:
        if as_json:
            click.echo(json.dumps({"stellwerk_lab": 1, "name": lab.name, "alive": False}, indent=2))
        raise
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in lab_text.lines(found, width):
            click.echo(line)
    return exit_codes.DIFFERENT if list(unfinished(found)) else exit_codes.DONE


@command.command(
    "exec",
    short_help="Run a program in a node, a client or the Internet.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="""\b
Examples:
  stellwerk lab exec roof ip -6 route show table 10
  stellwerk lab exec roof stellwerk plan new.yaml
  stellwerk lab exec roof sh -c 'kill $(cat /run/babeld.pid)'
  stellwerk lab exec alice ping -c 3 2001:db8:ffff::1
  stellwerk lab exec internet tcpdump -ni any""",
)
@lab_option
@click.argument("place", metavar="NODE|CLIENT|internet", shell_complete=_PLACES)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD...")
def execute(name: str | None, place: str, words: tuple[str, ...]) -> None:
    """Run a program in a node, a client or the Internet, and end as it does.

    It sees the files of this machine, but /run, /etc/stellwerk, /var/lib/stellwerk and /var/lib/babeld are the node's
    own; what it writes elsewhere is written on this machine.
    """
    # Two dashes before the program end the options, wherever they stand.
    program = words[1:] if words[0] == "--" else words
    if not program:
        raise click.UsageError("name a program to run")
    _lab(name).execute(place, program)


@command.command(
    "break",
    short_help="Break wires, nodes or interfaces.",
    epilog="""\b
Examples:
  stellwerk lab break cable             frames are lost, and nobody sees it
  stellwerk lab break cable --carrier   as when it is pulled out
  stellwerk lab break kiel:wan          kiel's own line to its provider
  stellwerk lab break kiel              power cut""",
)
@lab_option
@click.option("--carrier", is_flag=True, help="Take the carrier away too.")
@click.argument("targets", nargs=-1, required=True, metavar="WIRE|NODE|NODE:INTERFACE...", shell_complete=_TARGETS)
def break_(name: str | None, carrier: bool, targets: tuple[str, ...]) -> None:
    """Break wires, nodes or interfaces.

    A wire or an interface falls silent: frames are lost, but its ends have a carrier, as with a switch or a radio in
    between. A node loses its power: all its processes and its kernel's state are gone, its disk is not.
    """
    from reconciler.cli import lab_done

    for line in lab_done.changed(_lab(name).break_(*targets, carrier=carrier)):
        click.echo(line)


@command.command(
    "heal",
    short_help="Undo `break`.",
    epilog="""\b
Examples:
  stellwerk lab heal            all of it
  stellwerk lab heal kiel:wan""",
)
@lab_option
@click.argument("targets", nargs=-1, metavar="[WIRE|NODE|NODE:INTERFACE]...", shell_complete=_TARGETS)
def heal(name: str | None, targets: tuple[str, ...]) -> None:
    """Undo `break`, of all that is broken or of what is named. A node starts with an empty kernel and its old disk.

    Of a node with power, a daemon that has ended is started again.
    """
    from reconciler.cli import lab_done

    for line in lab_done.changed(_lab(name).heal(*targets)):
        click.echo(line)


@command.command(
    "probe",
    short_help="For how long does nobody answer?",
    epilog="""\b
Examples:
  stellwerk lab probe alice
  stellwerk lab probe alice --to fd00:6d65:7368:1::1 --for 1m --every 10ms""",
)
@lab_option
@click.option("--to", type=Address(), metavar="ADDRESS", help="Whom to ask.  [default: the host in the Internet]")
@click.option("--for", "seconds", type=Duration(), default="10s", show_default=True, help="For how long.")
@click.option("--every", type=ShortTime(), default="50ms", show_default=True, help="How often.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of the requests as JSON.")
@click.argument("place", metavar="CLIENT", shell_complete=completing("clients", "nodes"))
def probe(name: str | None, to: str | None, seconds: int, every: float, as_json: bool, place: str) -> int:
    """Send echo requests from a client (or a node), and say how many were answered, and for how long none was.

    Stopped by the keyboard it says so of the time until then. Exits 0 when all were answered, 2 when not.
    """
    from reconciler.cli import exit_codes, lab_text

    found = _lab(name).probe(place, to, seconds, every)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for line in lab_text.probe_lines(found):
            click.echo(line)
    return exit_codes.DIFFERENT if found["lost"] else exit_codes.DONE


@command.command("log", short_help="What a node's daemon says.", epilog="\b\nExample:\n  stellwerk lab log roof")
@lab_option
@click.argument("node", metavar="NODE", shell_complete=completing("nodes"))
def log(name: str | None, node: str) -> None:
    """Print the log of a node's daemon; also of one whose daemon has ended, or whose lab is dead."""
    from reconciler.core.errors import StellwerkError

    lab = _lab(name)
    try:
        click.echo((lab.folder.node(node) / "daemon.log").read_text(errors="replace"), nl=False)
    except (OSError, ValueError) as exc:
        raise StellwerkError(f"{node} has no log in the lab {lab.name}: {getattr(exc, 'strerror', exc)}") from exc


@command.command("down", short_help="End a lab.", epilog="\b\nExample:\n  stellwerk lab down")
@lab_argument
def down(name: str | None) -> None:
    """End a lab, also one that is dead, and remove all that it left. Without NAME, the only one there is."""
    from reconciler.cli import lab_done

    lab = _lab(name)
    lab.down()
    click.echo(lab_done.ended(lab.name))


def _lab(name: str | None) -> Lab:
    from reconciler.lab.folders import find
    from reconciler.lab.laboratory import Lab

    return Lab(find(name))
