"""``stellwerk key``: make keys, show their public halves, encrypt them for nodes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

LONGEST_BYTES = 64 << 10
_FILE = click.Path(path_type=Path, dir_okay=False, readable=False)
_TO = click.option(
    "--to",
    "recipients",
    multiple=True,
    metavar="RECIPIENT",
    help="Whom to encrypt it for, age1… or 'ssh-ed25519 AAAA…'; once for each: the node, and an admin.",
)


@click.group(
    short_help="Make keys, show public halves, encrypt.",
    epilog="""\b
Examples:
  stellwerk key identity                          on the node: what opens its secrets
  stellwerk key generate --to age1… links.age     anywhere: a key that only the node opens
  stellwerk key generate /etc/stellwerk/keys/wg0  on the node: a key in a file
  stellwerk key public /etc/stellwerk/keys/wg0    its public half, for the others
  stellwerk key encrypt --to age1… wg0 --out wg0.age""",
)
def command() -> None:
    """Make keys, show their public halves and encrypt them for nodes.

    No private key is ever printed, and no file is written over.
    """


@command.command()
@click.argument("file", type=_FILE)
@_TO
@click.option("--preshared", is_flag=True, help="A preshared key, which both sides have and which has no public half.")
def generate(file: Path, recipients: tuple[str, ...], preshared: bool) -> None:
    """Write a new WireGuard key to FILE and print its public half.

    With --to, FILE is an age file that only the recipients open; else it has mode 0600.
    """
    from reconciler.services import keys

    public = keys.generate(file, recipients, preshared)
    if public is not None:
        click.echo(public)


@command.command()
@click.argument("file", type=_FILE, required=False)
def identity(file: Path | None) -> None:
    """Write a new age identity for this node to FILE, mode 0600, and print its recipient, age1….

    Without FILE it is where the other commands look for it: /etc/stellwerk/identity.
    """
    from reconciler.backends.age_files import identity_path
    from reconciler.services import keys

    click.echo(keys.identity(file or identity_path()))


@command.command()
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False, readable=False), default="-")
def public(file: str) -> None:
    """Print the public half of the key in FILE, or of what is read from the standard input.

    That is a WireGuard private key, an age identity or an SSH private key.
    """
    from reconciler.services import keys

    for half in keys.public_halves(*_read(file)):
        click.echo(half)


@command.command()
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False, readable=False), default="-")
@_TO
@click.option("--out", type=_FILE, required=True, help="The age file to write.")
@click.option("--any", "anything", is_flag=True, help="Take what is no WireGuard key too.")
def encrypt(file: str, recipients: tuple[str, ...], out: Path, anything: bool) -> None:
    """Write the WireGuard key in FILE, or from the standard input, as an age file for the recipients."""
    from reconciler.services import keys

    if not recipients:
        raise click.UsageError("--to is missing: for whom? `stellwerk key identity` on the node prints it")
    content, name = _read(file)
    keys.encrypt(content, name, recipients, out, anything)


def _read(file: str) -> tuple[bytes, str]:
    """Return the content of a file and what it is called."""
    from reconciler.core.errors import StellwerkError

    if file == "-":
        return sys.stdin.buffer.read(LONGEST_BYTES), "standard input"
    try:
        with open(file, "rb") as opened:
            return opened.read(LONGEST_BYTES), file
    except OSError as exc:
        raise StellwerkError(f"{file} cannot be read: {exc.strerror or exc}") from exc
