"""The story itself: plan, apply, look at the neighbour, break three things by hand, repair exactly those.

Runs confined (see `tests.demo.__main__`). Every stellwerk command is the real command line, in a child of this
process that lives in the exit node's network namespace: so Python is started once, which is slow where processors
are emulated.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler import cli
from reconciler.cli import exit_codes
from tests.demo import world
from tests.demo.world import NEIGHBOUR, NODE, SCRATCH, inside

EXAMPLE = "examples/exit-gre.yaml"
STEPS = 8


class StoryError(Exception):
    """Something did not go as it is told."""


def main() -> int:
    """Tell the story and return 0, or 1 when something did not go as told."""
    start = time.monotonic()
    world.confine()
    try:
        _tell()
    except (StoryError, TimeoutError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    finally:
        world.end_babelds()
    print(f"\nAll as it should be, after {time.monotonic() - start:.0f} s. Nothing is left of it on this machine.")
    return 0


def _tell() -> None:
    with _step(1, "three hosts: the exit node, a neighbour in the mesh, and the provider at the tunnel's end"):
        world.build()
    with _step(2, f"what would `{EXAMPLE}` change on the empty node?"):
        _stellwerk(exit_codes.DIFFERENT, "plan", EXAMPLE)
    with _step(3, "apply it"):
        _stellwerk(exit_codes.DONE, "apply", EXAMPLE)
    with _step(4, "a second plan is empty"):
        _stellwerk(exit_codes.DONE, "plan", EXAMPLE)
    prefixes = _announced()
    with _step(5, "the neighbour learns the exits over babel"):
        seconds = world.await_true(lambda: _learned(prefixes), "the neighbour's routes")
        print(inside(NEIGHBOUR, "ip", "-6", "route", "show", "proto", "babel"), end="")
        print(f"({len(prefixes)} default routes, {seconds:.1f} s after they were announced)")
    with _step(6, "break it by hand: delete a route, remove a peer, set a link down"):
        broken = _break()
    with _step(7, "the plan names what is broken, and what went with it; apply repairs that and nothing else"):
        _check_plan(broken)
        _stellwerk(exit_codes.DONE, "apply", EXAMPLE)
    with _step(8, "in sync again, and the neighbour has its routes"):
        _stellwerk(exit_codes.DONE, "plan", EXAMPLE)
        world.await_true(lambda: _learned(prefixes), "the neighbour's routes")


@contextmanager
def _step(number: int, title: str) -> Iterator[None]:
    print(f"\n[{number}/{STEPS}] {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"      {time.monotonic() - start:.1f} s", flush=True)


def _stellwerk(expected: int, *arguments: str) -> None:
    """Run the command line in the exit node's namespace. Raises StoryError for another exit code."""
    print(f"$ stellwerk {' '.join(arguments)}", flush=True)
    child = os.fork()
    if child == 0:
        world.enter(NODE)
        code = cli.run(arguments)
        sys.stdout.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != expected:
        raise StoryError(f"stellwerk {' '.join(arguments)} ended with {code}, not {expected}")


def _plan() -> dict[str, object]:
    path = SCRATCH / "plan.json"
    _stellwerk(exit_codes.DIFFERENT, "plan", EXAMPLE, "--out", str(path))
    found: dict[str, object] = json.loads(path.read_text())
    return found


def _announced() -> list[str]:
    """Return the exit prefixes as the exit node's kernel has them."""
    routes = json.loads(inside(NODE, "ip", "-j", "-6", "route", "show", "table", "10", "proto", "242"))
    prefixes = [route["from"] for route in routes]
    if not prefixes:
        raise StoryError("the exit node has no exit routes")
    return prefixes


def _learned(prefixes: list[str]) -> bool:
    routes = json.loads(inside(NEIGHBOUR, "ip", "-j", "-6", "route", "show", "proto", "babel") or "[]")
    return set(prefixes) <= {route.get("from") for route in routes if route["dst"] == "default"}


def _break() -> set[str]:
    """Break three things and return the keys of what is then missing or wrong."""
    prefix = _announced()[0]
    wg = inside(NODE, "wg", "show", "wg-mesh", "peers").split()[0]
    for command in (
        f"ip -6 route del default from {prefix} table 10 proto 242",
        f"wg set wg-mesh peer {wg} remove",
        "ip link set gre-provider down",
    ):
        print(f"# {command}")
        inside(NODE, *command.split())
    return {f"route 10 ::/0 {prefix}", f"wireguard peer wg-mesh {wg}", "link gre-provider"}


def _check_plan(broken: set[str]) -> None:
    """Check that a plan names what was broken, and else only what the kernel took along with the link."""
    operations = _plan()["operations"]
    assert isinstance(operations, list)
    named = [" ".join(map(str, operation["key"])) for operation in operations]
    missing = [one for one in broken if not any(name.startswith(one) for name in named)]
    taken = ("address gre-provider ", "route 10 ", "babel announcement ")
    stray = [name for name in named if not any(name.startswith(one) for one in (*broken, *taken))]
    if missing or stray:
        raise StoryError(f"the plan should name {missing or 'nothing more'}, and not {stray or 'anything less'}")


if __name__ == "__main__":
    sys.exit(main())
