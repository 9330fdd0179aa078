"""The command ``stellwerk``: one module a command below `reconciler.cli.commands`, found by its name."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence

import click

from reconciler.cli import commands, exit_codes

EPILOG = """\b
Exit codes:
  0  in sync, or done
  1  failed
  2  differences found
  3  the node file is invalid
  4  refused: a conflict or a safety guard; nothing was changed
  5  rolled back
  64 the command line is wrong
  130 stopped by the keyboard

\b
Try:
  stellwerk check node.yaml    is the file right? (anywhere, without rights)
  stellwerk plan node.yaml     what would change on this node?
  stellwerk apply node.yaml    change it, and verify
  stellwerk run node.yaml      keep it so: the daemon
  stellwerk diff main          which nodes change since then, and how?
  stellwerk status             is it so, and why not?
  stellwerk stats              neighbours, interfaces, exits, peers
  stellwerk audit node.yaml --live   is the node what it should be? (changes nothing)
  stellwerk render             the node files of a fleet, from what its nodes have in common
  stellwerk check --fleet .    are they right, each and beside each other?
  stellwerk key --help         keys: make them, encrypt them for a node
  stellwerk lab up mesh.yaml   try it in a mesh of network namespaces
"""


class CommandFolder(click.Group):
    """The commands, each imported only when it is run or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the modules, which are those of the commands."""
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, ``None`` when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"reconciler.cli.commands.{cmd_name}").command
        return command if isinstance(command, click.Command) else None


@click.group(
    cls=CommandFolder, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="stellwerk")
@click.pass_context
def stellwerk(context: click.Context) -> None:
    """Keep a node of a mesh network what one YAML file says it is.

    Stellwerk compares the file with what the kernel and babeld really have, and makes the smallest change that
    closes the difference.
    """
    context.color = _colour(os.environ)


def _colour(variables: Mapping[str, str]) -> bool | None:
    """Return whether the environment wants colour or none, ``None`` where the output decides: a terminal has it."""
    if variables.get("NO_COLOR") or variables.get("TERM") == "dumb":
        return False
    return True if variables.get("FORCE_COLOR", "0") not in ("", "0") else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; every error becomes words and a code here, and nowhere else."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    from intent.problems import IntentError
    from reconciler.core.errors import RefusedError, RolledBackError, StellwerkError
    from reconciler.core.plan import PlanError
    from reconciler.services.collector import expect_many_objects

    expect_many_objects()
    try:
        result = stellwerk.main(arguments, prog_name="stellwerk", standalone_mode=False)
        return result if isinstance(result, int) else exit_codes.DONE
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.Abort:
        return _say("stopped by the keyboard; what was done stays done, run it again to go on", exit_codes.INTERRUPTED)
    except click.UsageError as exc:
        exc.show()
        return exit_codes.USAGE
    except click.ClickException as exc:
        exc.show()
        return exit_codes.FAILED
    except IntentError as exc:
        click.echo(str(exc), err=True)
        return exit_codes.INVALID
    except PlanError as exc:
        problems = "".join(f"\n  {problem}" for problem in exc.problems)
        return _say(f"refused, nothing is changed:{problems}", exit_codes.REFUSED)
    except RefusedError as exc:
        return _say(f"refused, nothing is changed: {exc}", exit_codes.REFUSED)
    except RolledBackError as exc:
        return _say(str(exc), exit_codes.ROLLED_BACK)
    except StellwerkError as exc:
        return _say(str(exc), exit_codes.FAILED)
    except BrokenPipeError:
        # The reader of our output has gone; leave without a second complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED
    except OSError as exc:
        return _say(f"the output cannot be written: {exc.strerror or exc}; what was done stays done", exit_codes.FAILED)


def _say(words: str, code: int) -> int:
    from intent.display import printable

    click.echo(f"stellwerk: {chr(10).join(map(printable, words.splitlines()))}", err=True)
    return code
