"""``stellwerk plan``: what would change on this node?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.cli.options import identity_option, state_option


@click.command(
    short_help="What would change on this node?",
    epilog="""\b
Examples:
  stellwerk plan node.yaml
  stellwerk plan node.yaml --json | jq .operations
  stellwerk plan node.yaml --out plan.json && stellwerk apply plan.json""",
)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Save the plan, for `stellwerk apply`, which refuses it when the node has moved on.",
)
@state_option
@identity_option
def command(file: str, as_json: bool, out: Path | None, state_folder: Path) -> int:
    """Show what `apply` would change on this node, and why. Changes nothing.

    Exits 0 when the node is as FILE says, 2 when it differs, 4 when something is in the way, 1 when not all of the
    node could be seen.
    """
    from intent.loading import load
    from reconciler.cli import plan_text, saved_plan
    from reconciler.core import offers
    from reconciler.core.plan_document import to_json
    from reconciler.core.reconcile import look
    from reconciler.services import this_node
    from reconciler.services.interpretation import NodeInterpreter

    if out is not None and out.exists() and Path(file).exists() and out.samefile(file):
        raise click.UsageError("--out names the node file itself; it would be written over")
    node = load(file)
    with this_node.this_node(state_folder) as here:
        interpreter = NodeInterpreter(here.resolvers)
        wanted = interpreter.interpret(interpreter.take(node))
        seen = look(wanted.desired, here.backends, here.state)
    plan = {**to_json(seen.plan, seen.lacks), "node": node.name}
    if out is not None:
        saved_plan.save(out, node, plan, interpreter.generated)
    if as_json:
        click.echo(json.dumps(plan, indent=2, ensure_ascii=False))
        return plan_text.exit_code(plan)
    for note in (*wanted.notes, *offers.notes(wanted.offers)):
        click.echo(f"note: {note}", err=True)
    for path in interpreter.generated:
        click.echo(f"note: {path} does not exist; apply makes a new key, so what is shown of it is not final", err=True)
    click.echo(plan_text.heading(node.name, plan))
    for line in plan_text.lines(plan):
        click.echo(line)
    return plan_text.exit_code(plan)
