"""Lines of a change under way: whoever reads them may go, the change goes on."""

from __future__ import annotations

import click


class Lines:
    """Says lines until one cannot be written; ``lost`` is then why, and the rest is not said."""

    def __init__(self) -> None:
        self.lost: OSError | None = None

    def say(self, text: str, err: bool = False) -> None:
        """Write a line to the output, or to the errors."""
        if self.lost is None:
            try:
                click.echo(text, err=err)
            except OSError as exc:
                # A node must not stay half changed because a pager was closed.
                self.lost = exc
