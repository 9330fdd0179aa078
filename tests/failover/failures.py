"""What may fail of an exit, and for how long a client of it then gets no answer from the Internet.

A failure is one entry in `FAILURES`: what breaks, in which lab, whose exit and whose client it is, and how it is done
and undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler.lab.laboratory import Lab
from tests.failover.lines import answered_ways, exit_of, run

LABS = Path(__file__).parents[2] / "examples" / "lab"
GRE_CHECKS_EVERY = "6s"
"""The pace of health checks where there is GRE: in an emulated machine an echo may take more than a second."""
EVERY_SECONDS = 0.02
BOUND_SECONDS = 30.0
"""A client whose prefix another exit serves goes on within this time, whatever fails: the promise."""
PATIENCE_SECONDS = 180.0
_WATCHED_SECONDS = 6.0
"""Some failures are noticed late: by then neighbours of a dead babeld have missed it."""
_CALM_SECONDS = 1.0
CALM_GAP_SECONDS = 0.5
"""What radios lose by themselves, and what a busy machine delays, is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A thing that breaks at an exit that ``client`` uses. With ``gre`` it takes a kernel that has GRE.

    The client goes to another exit, but where the node's daemon is quicker: then ``mended`` tells of what broke, and
    what it tells is another once that has been made anew.
    """

    name: str
    words: str
    client: str = "emil"
    exit: str = "exit-kiel"
    gre: bool = False
    break_: Callable[[Lab], object]
    heal: Callable[[Lab], object]
    mended: Callable[[Lab], str] | None = None


@dataclass(frozen=True, slots=True)
class Gaps:
    """The longest times without an answer, in seconds: when it broke, and when it was well again."""

    broken: float
    healed: float


def gre_lab(folder: Path) -> Path:
    """Return the file of the lab with GRE, copied into a folder with more time for health checks."""
    for file in (LABS / "three-exits").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text().replace("every: 1s", f"every: {GRE_CHECKS_EVERY}"))
    return folder / "lab.yaml"


def nothing(lab: Lab) -> None:
    """Do nothing: the node's daemon mends it by itself."""


def inside(node: str, script: str) -> Callable[[Lab], str]:
    """Return what runs a shell script in a node, and returns what it says."""
    return lambda lab: run(lab, node, "sh", "-ec", script)


KIEL, BERLIN = "exit-kiel", "exit-berlin"
FAILURES = (
    Failure(
        name="uplink-without-carrier",
        words="the uplink loses its carrier",
        break_=lambda lab: lab.break_(f"{KIEL}:wan", carrier=True),
        heal=lambda lab: lab.heal(f"{KIEL}:wan"),
    ),
    Failure(
        name="uplink-silent",
        words="the uplink falls silent: its provider drops everything",
        break_=lambda lab: lab.break_(f"{KIEL}:wan"),
        heal=lambda lab: lab.heal(f"{KIEL}:wan"),
    ),
    Failure(
        name="babeld-killed",
        words="babeld of the exit is killed (SIGKILL)",
        break_=inside(KIEL, "kill -KILL $(cat /run/babeld.pid)"),
        heal=nothing,
        mended=inside(KIEL, "cat /run/babeld.pid"),
    ),
    Failure(
        name="babeld-ended",
        words="babeld of the exit is ended (SIGTERM)",
        break_=inside(KIEL, "kill -TERM $(cat /run/babeld.pid)"),
        heal=nothing,
        mended=inside(KIEL, "cat /run/babeld.pid"),
    ),
    Failure(
        name="power-cut",
        words="the exit loses its power",
        break_=lambda lab: lab.break_(KIEL),
        heal=lambda lab: lab.heal(KIEL),
    ),
    Failure(
        name="wire-silent",
        words="the cable to the exit falls silent",
        break_=lambda lab: lab.break_("kiel-north"),
        heal=lambda lab: lab.heal("kiel-north"),
    ),
    Failure(
        name="drained",
        words="the exit is drained by its operator (`stellwerk drain`)",
        break_=inside(KIEL, "stellwerk drain --reason measured"),
        heal=inside(KIEL, "stellwerk undrain"),
    ),
    Failure(
        name="link-silent",
        words="the line under the WireGuard link to the exit falls silent",
        client="frieda",
        exit="exit-leipzig",
        break_=lambda lab: lab.break_("house-east:wan"),
        heal=lambda lab: lab.heal("house-east:wan"),
    ),
    Failure(
        name="gre-deleted",
        words="the GRE tunnel is deleted",
        client="frieda",
        exit=BERLIN,
        gre=True,
        break_=inside(BERLIN, "ip link delete gre-provider"),
        heal=nothing,
        mended=inside(BERLIN, "ip -o link show gre-provider | cut -d: -f1"),
    ),
    Failure(
        name="gre-silent",
        words="the line under the GRE tunnel falls silent",
        client="frieda",
        exit=BERLIN,
        gre=True,
        break_=lambda lab: lab.break_(f"{BERLIN}:wan"),
        heal=lambda lab: lab.heal(f"{BERLIN}:wan"),
    ),
)


def await_well(failure: Failure, lab: Lab) -> None:
    """Wait until all nodes are in sync, the client's traffic goes through the exit that is to fail, and is answered."""
    lab.until_synced(PATIENCE_SECONDS)
    lab.until(
        lambda status: exit_of(status, failure.client) == failure.exit,
        f"{failure.client} goes through {failure.exit}",
        PATIENCE_SECONDS,
    )
    _await_answers(failure, lab)


def measure(failure: Failure, lab: Lab) -> Gaps:
    """Break it, wait until the client is answered again; heal it, and wait until all is as before.

    Raises AssertionError where nothing broke: the client goes on by the same way, and nothing had to be made anew.
    """
    await_well(failure, lab)
    before = None if failure.mended is None else failure.mended(lab)
    with lab.probing(failure.client, every=EVERY_SECONDS) as probe:
        time.sleep(_CALM_SECONDS)
        failure.break_(lab)
        # What is to be seen is that nothing more happens: that takes its time.
        time.sleep(_WATCHED_SECONDS)
        _await_answers(failure, lab)
        _assert_broken(failure, lab, before)
    broken = float(probe.result["longest_gap"])
    with lab.probing(failure.client, every=EVERY_SECONDS) as probe:
        failure.heal(lab)
        await_well(failure, lab)
        time.sleep(_CALM_SECONDS)
    return Gaps(broken, float(probe.result["longest_gap"]))


def _assert_broken(failure: Failure, lab: Lab, before: str | None) -> None:
    if failure.mended is not None:
        assert failure.mended(lab) != before, f"nothing broke ({failure.words})"
        return
    other = exit_of(lab.status(), failure.client)
    assert other not in (None, failure.exit), f"{failure.client} still goes through {other} ({failure.words})"
    # A slow machine may pause for longer than a probe lasts: then it is asked again.
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := answered_ways(lab, failure.client)) is None:
        assert time.monotonic() < end, f"{failure.client} is not answered ({failure.words})"
    assert found == {failure.client: {other}}


def _await_answers(failure: Failure, lab: Lab) -> None:
    """Wait until the client is answered for a while, but for what radios lose."""
    end = time.monotonic() + PATIENCE_SECONDS
    while lab.probe(failure.client, seconds=_CALM_SECONDS, every=EVERY_SECONDS)["longest_gap"] > CALM_GAP_SECONDS:
        if time.monotonic() > end:
            raise TimeoutError(f"{failure.client} is not answered within {PATIENCE_SECONDS:.0f} s ({failure.words})")
