"""``stellwerk apply``: make this node what its file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.options import Duration, control_socket, identity_option, socket_option, state_option

if TYPE_CHECKING:
    from reconciler.cli.output import Lines
    from reconciler.services.applying import Order


@click.command(
    short_help="Make this node what its file says, and verify.",
    epilog="""\b
Examples:
  stellwerk apply node.yaml
  stellwerk apply node.yaml --confirm 60s && ping -c 3 exit.example && stellwerk confirm
  stellwerk apply plan.json     a plan saved with `stellwerk plan --out`""",
)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--confirm",
    "confirm_seconds",
    type=Duration(),
    help="Undo the change after this time, such as 60s, unless `stellwerk confirm` is said or the file's checks pass.",
)
@click.option(
    "--allow-deletes", is_flag=True, help="Allow a plan that deletes more of what is ours than is done unasked."
)
@state_option
@identity_option
@socket_option
def command(
    file: str, confirm_seconds: int | None, allow_deletes: bool, state_folder: Path, socket: Path | None
) -> int:
    """Make this node what FILE says, and verify by looking again.

    FILE is a node file, or a saved plan, which is refused when the node has moved on. Everything is checked before
    anything is changed, and only what is ours is touched. A daemon that keeps this node carries it out; what is
    given so holds until the daemon's own node file changes.

    A change that is to be confirmed is undone when it is not, whatever becomes of this command, its terminal or the
    machine. Where the file has checks, this waits for them.

    Exits 0 when the node is as it should be, 2 when something is pending, 1 when an operation failed, 4 when it was
    refused, 5 when it was rolled back.
    """
    from intent.care import care
    from intent.loading import loads
    from intent.reading import read
    from reconciler.cli import saved_plan
    from reconciler.cli.output import Lines
    from reconciler.services.applying import Order
    from reconciler.services.interpretation import document

    data, name = read(file)
    plan = saved_plan.decode(data, name)
    node = loads(data, name) if plan is None else plan.node
    order = Order(document(node), confirm_seconds, allow_deletes, None if plan is None else plan.plan)
    lines = Lines()
    to_confirm = bool(confirm_seconds or care(node).confirm_seconds)
    code = _Teller(node.name, lines).tell(order, to_confirm, state_folder, control_socket(socket, state_folder))
    if lines.lost is not None:
        raise lines.lost
    return code


class _Teller:
    """Has an order carried out, and says what happens."""

    def __init__(self, node: str, lines: Lines) -> None:
        self._node = node
        self._lines = lines

    def tell(self, order: Order, to_confirm: bool, state_folder: Path, socket: Path) -> int:
        from reconciler.cli import exit_codes
        from reconciler.core.reconcile import InTheWayError
        from reconciler.services import applying_here
        from reconciler.services.control_client import somewhere

        def here() -> int:
            if to_confirm:
                return self._follow(applying_here.hold(state_folder, socket), order)
            return self._report(applying_here.apply(state_folder, order, self._event))

        try:
            return somewhere(socket, lambda control: self._follow(control, order), here)
        except InTheWayError:
            self._lines.say("stellwerk: refused, nothing was changed", err=True)
            return exit_codes.REFUSED

    def _follow(self, control: Any, order: Order) -> int:
        from reconciler.cli import exit_codes

        end: dict[str, Any] = {}
        try:
            for end in control.request("apply", **order.to_json()):
                if end.get("event") == "applied":
                    self._report(end)
                elif "event" in end:
                    self._event(end)
        except KeyboardInterrupt:
            self._lines.say(f"stellwerk: stopped by the keyboard; {_goes_on(end)}", err=True)
            return exit_codes.INTERRUPTED
        return self._verdict(end) if "confirmed" in end else self._report(end)

    def _event(self, told: dict[str, Any]) -> None:
        from reconciler.cli import plan_text

        if told["event"] == "plan":
            self._lines.say(plan_text.heading(self._node, told["plan"]))
            for line in plan_text.obstacles(told["plan"]):
                self._lines.say(line)
        elif told["event"] == "note":
            self._lines.say(f"note: {told['text']}", err=True)
        elif told["event"] == "outcome":
            self._lines.say(plan_text.outcome_line(told["outcome"]))

    def _report(self, done: dict[str, Any]) -> int:
        """Say what is left, and return the exit code."""
        from reconciler.cli import exit_codes, plan_text

        left, say = done["remaining"], self._lines.say
        for note in done["notes"]:
            say(f"note: {note}", err=True)
        code = exit_codes.DONE
        if left["in_sync"] and not done["failed"]:
            say("verified: the node is what the file says")
        else:
            if left["operations"] or left["conflicts"]:
                say("after a second look the node still differs:")
            for line in plan_text.lines(left):
                say(line)
            if done["failed"]:
                say("stellwerk: not all of it could be done; see above, and run it again", err=True)
                code = exit_codes.FAILED
            else:
                say("what is pending waits for you; the rest is done and verified")
                code = exit_codes.DIFFERENT
        if done["seconds_to_confirm"] is not None:
            within = f"within {done['seconds_to_confirm']:.0f} s"
            if done["checks"]:
                say(f"the checks have to pass {within}, else it is undone; `stellwerk confirm` keeps it at once")
            else:
                say(f"say `stellwerk confirm` {within}, else it is undone; `stellwerk rollback` undoes it at once")
        return code

    def _verdict(self, end: dict[str, Any]) -> int:
        from reconciler.cli import exit_codes

        if end["confirmed"]:
            self._lines.say("confirmed: the change stays")
            return exit_codes.DONE
        why = end["reason"] or "something else was asked for meanwhile"
        state = "the node is as it was before" if end["in_sync"] else "but not all of it could be undone yet"
        self._lines.say(f"stellwerk: rolled back, {state}: {why}", err=True)
        return exit_codes.ROLLED_BACK


def _goes_on(told: dict[str, Any]) -> str:
    """Say what goes on without us, by what was told last."""
    if told.get("event") == "applied":
        return "the change is still on trial: `stellwerk confirm` keeps it, `stellwerk rollback` undoes it at once"
    return "the change goes on; `stellwerk status` says how it ends"
