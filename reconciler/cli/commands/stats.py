"""``stellwerk stats``: what the node tells of itself; alone, what tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from reconciler.cli.options import control_socket, socket_option, state_option


@click.command(
    short_help="Show the statistics of this node; with FILE, keep them.",
    epilog="""\b
Examples:
  stellwerk stats                             neighbours, interfaces, exits, peers
  stellwerk stats --json | jq .babel
  stellwerk stats /etc/stellwerk/node.yaml    keep the statistics of a node, and nothing else""",
)
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.option("--group", help="With FILE: the group whose members may ask for them over the control socket.")
@state_option
@socket_option
def command(file: Path | None, as_json: bool, group: str | None, state_folder: Path, socket: Path | None) -> int:
    """Show the statistics that this node keeps because of `stats` in its file.

    They come from the daemon `stellwerk run`, or from another `stellwerk stats FILE`.

    With FILE keep them and give them to those that `stats` in FILE names, until SIGTERM or SIGINT ends it. Nothing
    else of FILE is carried out, nothing of the node is changed, and no rights are needed but to open the ports and the
    control socket, `stats.socket` beside that of the daemon. The file is read again when it changes, and at SIGHUP; one
    that is not right leaves all as it is.

    Exits 1 when nobody answers, 3 when FILE is invalid, 4 when the node keeps no statistics.
    """
    from reconciler.cli import exit_codes

    if file is not None:
        if as_json:
            raise click.UsageError("--json shows the statistics that are kept; it does not go with FILE")
        _keep(file, group, state_folder, socket)
        return exit_codes.DONE
    if group is not None:
        raise click.UsageError("--group goes with FILE")
    told = _ask(state_folder, socket)
    if told.get("problem"):
        click.echo(f"stellwerk: the node file cannot be used, what it said before holds:\n{told['problem']}", err=True)
    if as_json:
        click.echo(json.dumps(told["stats"], indent=2))
        return exit_codes.DONE
    from reconciler.cli import stats_text

    for line in stats_text.lines(told["stats"]):
        click.echo(line)
    return exit_codes.DONE


def _keep(file: Path, group: str | None, state_folder: Path, socket: Path | None) -> None:
    from reconciler.services import logs
    from reconciler.services.statistics.alone import SOCKET, Alone, Settings

    logs.begin()
    daemon = control_socket(None, state_folder)
    Alone(Settings(file, socket or daemon.with_name(SOCKET), group, daemon)).run()


def _ask(state_folder: Path, socket: Path | None) -> dict[str, Any]:
    """Return what is told by the daemon, or else by who keeps statistics alone. Raises StellwerkError."""
    from reconciler.core.errors import DeniedError, RefusedError, StellwerkError
    from reconciler.services.control_client import Control, NobodyError
    from reconciler.services.statistics.alone import SOCKET

    path = control_socket(socket, state_folder)
    begin = "`stellwerk run NODE.yaml` keeps a node and, with `stats` in its file, its statistics; `stellwerk stats "
    if socket is not None:
        try:
            return Control(path).ask("stats")
        except NobodyError:
            raise NobodyError(f"no daemon listens at {path}; {begin}NODE.yaml --socket {path}` them alone") from None
    alone = path.with_name(SOCKET)
    try:
        return Control(path).ask("stats")
    except (NobodyError, RefusedError, DeniedError) as exc:
        try:
            return Control(alone).ask("stats")
        except StellwerkError as other:
            if not isinstance(other, NobodyError):
                raise other from None
            if not isinstance(exc, NobodyError):
                raise exc from None
        raise NobodyError(
            f"no daemon listens at {path}, and nobody who keeps statistics alone at {alone}; {begin}NODE.yaml` them "
            "alone, and changes nothing"
        ) from None
