"""``stellwerk run``: keep this node what its file says."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import control_socket, identity_option, socket_option, state_option


@click.command(
    short_help="Keep this node what its file says (the daemon).",
    epilog="""\b
Examples:
  stellwerk run /etc/stellwerk/node.yaml
  stellwerk run /etc/stellwerk/node.yaml --report        only tell what differs
  stellwerk run /etc/stellwerk/node.yaml --group adm     its members may ask for the status""",
)
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="FILE")
@click.option("--report", is_flag=True, help="Change nothing; show in status, history and log what differs.")
@click.option("--group", help="The group whose members may ask for the status over the control socket.")
@click.option("--see-through", is_flag=True, hidden=True, help="See one trial through, and end.")
@state_option
@identity_option
@socket_option
def command(
    file: Path | None, report: bool, group: str | None, see_through: bool, state_folder: Path, socket: Path | None
) -> int:
    """Keep this node what FILE says, until it is told to end.

    Looks again at every event of the kernel, of babeld and of FILE, and makes the smallest change. An invalid FILE
    changes nothing: the node is held at the last one that was right. SIGHUP has everything looked at anew. SIGTERM
    ends the daemon, which undoes a change that waits to be confirmed and leaves the rest as it is. It stays in the
    foreground; `stellwerk status` in another terminal says how the node is.
    """
    from reconciler.cli import exit_codes
    from reconciler.core.permission import Mode
    from reconciler.services import logs
    from reconciler.services.daemon import Daemon, Settings

    if (file is None) is not see_through:
        raise click.UsageError("Missing argument 'FILE'." if file is None else "--see-through takes no file")
    logs.begin()
    mode = Mode.REPORT if report else Mode.ENFORCE
    path = None if file is None else file.absolute()
    Daemon(Settings(state_folder, control_socket(socket, state_folder), path, group, mode)).run()
    return exit_codes.DONE
