"""``stellwerk audit``: is a node, or a fleet, what it should be?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import Duration, identity_option, state_option

if TYPE_CHECKING:
    from reconciler.core.audit import Audit, NodeAudit


@click.command(
    short_help="Hold a node, or a fleet, against what it should be.",
    epilog="""\b
Examples:
  stellwerk audit node.yaml --live
  stellwerk audit node.yaml --snapshot snapshot.json --format json
  stellwerk audit --fleet . --snapshots snapshots --older-than 24h --format html --out audit.html""",
)
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option("--live", is_flag=True, help="Look at this node now.")
@click.option("--snapshot", type=click.Path(path_type=Path), help="What `stellwerk snapshot` wrote on the node.")
@click.option("--fleet", type=click.Path(), help="A fleet's repository, or a folder of node files NAME.yaml.")
@click.option("--snapshots", type=click.Path(path_type=Path), help="The folder of the fleet's snapshots, NAME.json.")
@click.option("--older-than", type=Duration(), help="Tell of snapshots older than this that they say nothing of now.")
@click.option("--format", "form", default="text", show_default=True, help="text, json, sarif, junit, markdown or html.")
@click.option(
    "--out",
    type=click.Path(allow_dash=True, dir_okay=False, path_type=Path),
    help="Where to write it, else the output.",
)
@identity_option
@state_option
def command(
    file: str | None,
    live: bool,
    snapshot: Path | None,
    fleet: str | None,
    snapshots: Path | None,
    older_than: int | None,
    form: str,
    out: Path | None,
    state_folder: Path,
) -> int:
    """Hold a node, as it is now or as a snapshot tells, against FILE; or all nodes of a fleet. Changes nothing.

    Exits 0 when all is as it should be, 2 when something differs, 1 when not all could be seen, or a snapshot is
    missing or too old, 3 when an intent is invalid.
    """
    from reconciler.backends.machine_clock import MachineClock
    from reconciler.cli import audit_reports

    _check_usage(file, live, snapshot, fleet, snapshots, form)
    now = MachineClock().wall()
    if fleet is not None and snapshots is not None:
        audit = _of_fleet(fleet, snapshots, now, older_than)
    else:
        audit = _of_one(file or "", snapshot, state_folder, now, older_than)
    _write(audit_reports.rendered(audit, form, _colour(out)), out)
    return _code(audit)


def _check_usage(
    file: str | None, live: bool, snapshot: Path | None, fleet: str | None, snapshots: Path | None, form: str
) -> None:
    from reconciler.cli import audit_reports

    if form not in audit_reports.formats():
        raise click.UsageError(f"no format {form!r:.60}; choose one of {', '.join(audit_reports.formats())}")
    if fleet is not None or snapshots is not None:
        if fleet is None or snapshots is None or file is not None or live or snapshot is not None:
            raise click.UsageError("say --fleet DIR and --snapshots DIR, and neither FILE, --live nor --snapshot")
        if not snapshots.is_dir():
            raise click.UsageError(f"--snapshots: {snapshots} is no folder")
    elif file is None or live == (snapshot is not None):
        raise click.UsageError("say FILE with --live or --snapshot, or --fleet with --snapshots")


def _of_one(file: str, path: Path | None, state_folder: Path, now: float, older_than: int | None) -> Audit:
    from intent.loading import load
    from intent.problems import IntentError
    from reconciler.core.errors import StellwerkError
    from reconciler.services import this_node
    from reconciler.services.audit_fleet import stale
    from reconciler.services.auditing import audited, invalid, unknown
    from reconciler.services.snapshots import of_file, take

    try:
        node = load(file)
    except IntentError as exc:
        return _audit([invalid(Path(file).stem, file, exc)], now)
    if path is None:
        with this_node.this_node(state_folder) as here:
            return _audit([audited(node, take(here, now, node), "live")], now)
    try:
        snapshot = of_file(path)
    except StellwerkError as exc:
        return _audit([unknown(node.name, file, str(exc), str(path))], now)
    return _audit([audited(node, snapshot, str(path), stale(snapshot, now, older_than))], now)


def _of_fleet(folder: str, snapshots: Path, now: float, older_than: int | None) -> Audit:
    from reconciler.services.audit_fleet import audited_fleet, intents

    wanted = intents(folder)
    nodes = sorted(audited_fleet(wanted, snapshots, now, older_than), key=lambda one: one.node)
    return _audit(nodes, now, wanted.name)


def _audit(nodes: list[NodeAudit], now: float, fleet: str = "") -> Audit:
    from importlib.metadata import version

    from reconciler.core.audit import Audit

    return Audit(tuple(nodes), now, version("stellwerk"), fleet)


def _colour(out: Path | None) -> bool:
    if out is not None and str(out) != "-":
        return False
    wished = click.get_current_context().color
    return sys.stdout.isatty() if wished is None else wished


def _write(text: str, out: Path | None) -> None:
    from reconciler.backends.atomic_files import replace_file
    from reconciler.core.errors import StellwerkError

    if out is None or str(out) == "-":
        click.echo(text, nl=False)
        return
    try:
        replace_file(str(out.absolute()), text.encode(), 0o644)
    except OSError as exc:
        raise StellwerkError(f"{out} cannot be written: {exc.strerror or exc}") from exc


def _code(audit: Audit) -> int:
    from reconciler.cli import exit_codes
    from reconciler.core.audit import State

    codes = {State.IN_SYNC: exit_codes.DONE, State.DIFFERS: exit_codes.DIFFERENT, State.UNKNOWN: exit_codes.FAILED}
    return codes.get(audit.worst(), exit_codes.INVALID)
