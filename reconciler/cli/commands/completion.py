"""``stellwerk completion``: completion for shells."""

from __future__ import annotations

import click


@click.command(
    short_help="Print a completion script for a shell.",
    epilog="""\b
Examples:
  bash:  stellwerk completion bash > /etc/bash_completion.d/stellwerk
  zsh:   stellwerk completion zsh > "${fpath[1]}/_stellwerk"
  fish:  stellwerk completion fish > ~/.config/fish/completions/stellwerk.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print a script that makes SHELL complete stellwerk's commands and options."""
    from click.shell_completion import get_completion_class

    from reconciler.cli import exit_codes

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "stellwerk", "_STELLWERK_COMPLETE").source())
    return exit_codes.DONE
