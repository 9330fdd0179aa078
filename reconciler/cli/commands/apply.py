"""``stellwerk apply``: make this node what its file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import state_option

if TYPE_CHECKING:
    from reconciler.cli.output import Lines
    from reconciler.cli.session import Session
    from reconciler.core.apply import Outcome
    from reconciler.core.reconcile import Look, Round


@click.command(
    short_help="Make this node what its file says, and verify.",
    epilog="""\b
Examples:
  stellwerk apply node.yaml
  stellwerk apply plan.json     a plan saved with `stellwerk plan --out`""",
)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--allow-deletes",
    is_flag=True,
    help="Allow a plan that deletes more than half, or than `guards` says, of what is ours.",
)
@state_option
def command(file: str, allow_deletes: bool, state_folder: Path) -> int:
    """Make this node what FILE says, and verify by looking again.

    FILE is a node file, or a saved plan, which is refused when the node has moved on. Everything is checked before
    anything is changed, and only what is ours is touched. Exits 0 when the node is as it should be, 2 when
    something is pending, 1 when an operation failed, 4 when it was refused.
    """
    from intent.care import care
    from intent.loading import loads
    from intent.reading import read
    from reconciler.backends.state_folder import StateFolder
    from reconciler.cli import saved_plan
    from reconciler.cli.session import session
    from reconciler.core.guards import check_deletions
    from reconciler.core.plan_document import check_still_fits

    data, name = read(file)
    plan = saved_plan.decode(data, name)
    node = loads(data, name) if plan is None else plan.node
    with StateFolder(state_folder).locked(), session(node, state_folder) as opened:
        seen = opened.look()
        if plan is not None:
            check_still_fits(plan.steps, seen.plan)
        if not allow_deletes:
            check_deletions(seen, care(node).largest_deleted_share)
        return _apply(opened, seen)


def _apply(opened: Session, seen: Look) -> int:
    from reconciler.cli import exit_codes, plan_text
    from reconciler.cli.output import Lines
    from reconciler.core.reconcile import apply

    for note in opened.resolved.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(plan_text.heading(opened.node.name, seen.plan))
    if seen.plan.conflicts or seen.lacks:
        for line in plan_text.obstacles(seen):
            click.echo(line)
        click.echo("stellwerk: refused, nothing was changed", err=True)
        return exit_codes.REFUSED
    lines = Lines()

    def watch(outcome: Outcome) -> None:
        lines.say(plan_text.outcome_line(outcome))

    code = _report(apply(seen, opened.desired, opened.backends, opened.state, watch), lines)
    if lines.lost is not None:
        raise lines.lost
    return code


def _report(done: Round, lines: Lines) -> int:
    """Say what is left, and return the exit code."""
    from reconciler.cli import exit_codes, plan_text

    left = done.remaining.plan
    if left.empty and not done.failed:
        lines.say("verified: the node is what the file says")
        return exit_codes.DONE
    if left.operations or left.conflicts:
        lines.say("after a second look the node still differs:")
    for line in plan_text.lines(done.remaining):
        lines.say(line)
    if done.failed:
        lines.say("stellwerk: not all of it could be done; see above, and run it again", err=True)
        return exit_codes.FAILED
    lines.say("what is pending waits for you; the rest is done and verified")
    return exit_codes.DIFFERENT
