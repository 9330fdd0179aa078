"""``stellwerk run``: keep this node what its file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import Duration, control_socket, identity_option, socket_option, state_option

if TYPE_CHECKING:
    from reconciler.services.git_settings import GitSettings


@click.command(
    short_help="Keep this node what its file says (the daemon).",
    epilog="""\b
Examples:
  stellwerk run /etc/stellwerk/node.yaml
  stellwerk run /etc/stellwerk/node.yaml --report        only tell what differs
  stellwerk run /etc/stellwerk/node.yaml --group adm     its members may ask for the status
  stellwerk run --git https://git.example.org/fleet.git --path rendered/berlin-7
  stellwerk run --git-config /etc/stellwerk/git.yaml     the same from a file, with whose signatures count""",
)
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="FILE")
@click.option("--git", "url", metavar="URL", help="Follow this repository in place of FILE: https, ssh, git or a path.")
@click.option("--path", help="With --git: the node's complete document in the repository.", metavar="rendered/NAME")
@click.option("--branch", help="With --git: the branch that is followed.  [default: main]")
@click.option(
    "--every", type=Duration(), help="With --git: how often it is fetched, varied by a fifth.  [default: 60s]"
)
@click.option("--allow-force-push", is_flag=True, help="With --git: follow a branch that was rewritten, too.")
@click.option(
    "--git-config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="GIT.yaml",
    help="Read the repository, and whose signatures count, from a file in place of these options.",
)
@click.option("--report", is_flag=True, help="Change nothing; show in status, history and log what differs.")
@click.option("--group", help="The group whose members may ask for the status over the control socket.")
@click.option("--see-through", is_flag=True, hidden=True, help="See one trial through, and end.")
@state_option
@identity_option
@socket_option
def command(
    file: Path | None,
    url: str | None,
    path: str | None,
    branch: str | None,
    every: int | None,
    allow_force_push: bool,
    git_config: Path | None,
    report: bool,
    group: str | None,
    see_through: bool,
    state_folder: Path,
    socket: Path | None,
) -> int:
    """Keep this node what FILE, or a file of a git repository, says, until it is told to end.

    Looks again at every event of the kernel, of babeld and of FILE, and makes the smallest change. An invalid FILE
    changes nothing: the node is held at the last one that was right. SIGHUP has everything looked at anew. SIGTERM
    ends the daemon, which undoes a change that waits to be confirmed and leaves the rest as it is. It stays in the
    foreground; `stellwerk status` in another terminal says how the node is.

    A repository is fetched from time to time, and at once on SIGHUP and `stellwerk reconcile`. What cannot be fetched
    or is not right changes nothing either, and the status says why, with commit and author.
    """
    from reconciler.cli import exit_codes
    from reconciler.core.permission import Mode
    from reconciler.services import logs
    from reconciler.services.daemon import Daemon, Settings

    if see_through:
        if file is not None or url is not None or git_config is not None:
            raise click.UsageError("--see-through takes no file")
        git = None
    else:
        git = _git(file, git_config, {"url": url, "path": path, "branch": branch, "every": every}, allow_force_push)
    logs.begin()
    mode = Mode.REPORT if report else Mode.ENFORCE
    node_file = None if file is None else file.absolute()
    Daemon(Settings(state_folder, control_socket(socket, state_folder), node_file, group, mode, git)).run()
    return exit_codes.DONE


def _git(
    file: Path | None, config: Path | None, values: dict[str, str | int | None], allow_force_push: bool
) -> GitSettings | None:
    """Return what is to be pulled, ``None`` for a file. Raises click.UsageError, IntentError."""
    sources = [one for one in (file, config, values["url"]) if one is not None]
    if not sources:
        raise click.UsageError("Missing argument 'FILE', or --git or --git-config in its place.")
    if len(sources) > 1:
        raise click.UsageError("FILE, --git and --git-config: only one of them")
    given = {name: value for name, value in values.items() if value is not None}
    if values["url"] is None and (allow_force_push or given):
        raise click.UsageError("--path, --branch, --every and --allow-force-push are for --git")
    if file is not None:
        return None
    from reconciler.services import git_settings

    if config is not None:
        return git_settings.load(str(config))
    if values["path"] is None:
        raise click.UsageError("--git needs --path, which names the node's document in the repository")
    return git_settings.of_options({**given, "allow_force_push": allow_force_push})
