"""What is to be done, case by case.

Things are in lines (see `thing.parse`): ``a`` has the size 0, ``a size=1`` differs in what changes in place,
``colour`` in what does not. A plan is a line for each step: ``+`` create, ``-`` delete, ``~`` change, ``?`` pending,
``!`` conflict.
"""

from __future__ import annotations

import pytest

from reconciler.core.diff import diff
from reconciler.core.errors import BusyError
from reconciler.core.observe import Observation
from reconciler.core.plan import Action, Impact, Plan, PlanError
from tests.pure.core.thing import key, look_at, parse, plan_lines


def plan_of(want: str, have: str) -> Plan:
    return diff(parse(want), look_at(have))


CASES: dict[str, tuple[str, str, list[str]]] = {
    "nothing": ("", "", []),
    "equal": ("a", "a", []),
    "make": ("a", "", ["+a"]),
    "remove": ("", "a", ["-a"]),
    "change in place": ("a size=1", "a", ["~a"]),
    "replace": ("a colour=red", "a", ["-a", "+a"]),
    "another kind": ("limb a", "a", ["-a", "+a"]),
    "unmanaged field": ("a size=1", "a size=1 colour=", []),
    "foreign stays": ("", "a foreign", []),
    "foreign and equal": ("a", "a foreign", []),
    "foreign and different": ("a size=1", "a foreign", ["~a", "!a"][1:]),
    "foreign of another kind": ("limb a", "a foreign", ["!a"]),
    "adopted": ("setting a size=1", "setting a foreign", ["~a"]),
    "adopted and replaced": ("setting a colour=red", "setting a foreign", ["-a", "+a"]),
    # Needs
    "needs first": ("a; b needs=a; c needs=b", "", ["+a", "+b", "+c"]),
    "needers go first": ("", "a; b needs=a; c needs=b", ["-c", "-b", "-a"]),
    "independent ones together": ("a; b; c needs=a,b", "", ["+a +b", "+c"]),
    "a need that is foreign": ("b needs=a", "a foreign", ["+b"]),
    "making comes before removing": ("b", "a", ["+b", "-a"]),
    "a need changes, then what needs it is made": ("a size=1; b needs=a", "a", ["~a", "+b"]),
    "another need": ("a; b needs=a; c", "a; c; b needs=c", ["~b"]),
    "off a need that goes": ("a; b needs=a", "c; b needs=c", ["+a", "~b", "-c"]),
    # Replacement takes along what stands on it
    "ground replaced": ("a colour=red; b needs=a", "a; b needs=a", ["-b", "-a", "+a", "+b"]),
    "ground of ground": (
        "a colour=red; b needs=a; c needs=b",
        "a; b needs=a; c needs=b",
        ["-c", "-b", "-a", "+a", "+b", "+c"],
    ),
    "ground replaced, needer goes": ("a colour=red", "a; b needs=a", ["-b", "-a", "+a"]),
    "ground removed with its needer": ("", "a; b needs=a", ["-b", "-a"]),
    "new needer of the replaced": ("a colour=red; b needs=a", "a", ["-a", "+a", "+b"]),
    "foreign on the replaced": ("a colour=red", "a; b needs=a foreign", ["-a", "+a", "!b"]),
    "foreign on the removed": ("", "a; b needs=a foreign", ["-a", "!b"]),
    "foreign on what stands on the replaced": (
        "a colour=red; b needs=a",
        "a; b needs=a; c needs=b foreign",
        ["-b", "-a", "+a", "+b", "!c"],
    ),
    "automatic on the replaced": ("a colour=red", "a; b needs=a automatic", ["-a", "+a"]),
    "equal foreign on the replaced": ("a colour=red; b needs=a", "a; b needs=a foreign", ["-a", "+a", "!b"]),
    # Parts vanish with their whole
    "parts go with the whole": ("", "a; b needs=a whole=a; c needs=a whole=a", ["-a"]),
    "parts come again": ("a colour=red; b needs=a whole=a", "a; b needs=a whole=a", ["-a", "+a", "+b"]),
    "a part alone": ("a", "a; b needs=a whole=a", ["-b"]),
    "parts of parts": ("", "a; b needs=a whole=a; c needs=b whole=b", ["-a"]),
    "parts of parts come again": (
        "a colour=red; b needs=a whole=a; c needs=b whole=b",
        "a; b needs=a whole=a; c needs=b whole=b",
        ["-a", "+a", "+b", "+c"],
    ),
    "a needer of a part": ("", "a; b needs=a whole=a; c needs=b", ["-c", "-a"]),
    "an owned part of ours": ("a", "a; limb b needs=a whole=a foreign", ["-b"]),
    "a part of what is not ours": ("", "a foreign; limb b needs=a whole=a foreign", []),
    # Claims
    "a claim is let go before it is taken": ("b holds=p", "a holds=p", ["-a", "+b"]),
    "claims are swapped": ("a holds=q; b holds=p", "a holds=p; b holds=q", ["-a -b", "+a +b"]),
    "a claim moves on": ("a; b holds=p", "a holds=p; b", ["-a -b", "+a +b"]),
    "a claim that a part holds": ("c holds=p", "a; b needs=a whole=a holds=p", ["-a", "+c"]),
    "a claim that a part of a part holds": (
        "d holds=p",
        "a; b needs=a whole=a; c needs=b whole=b holds=p",
        ["-a", "+d"],
    ),
    "a claim that is let go in place": ("b taken=p; a", "a taken=p", ["~a", "+b"]),
    "a claim that moves in place": ("a; b taken=p", "a taken=p; b", ["~a", "~b"]),
    "claims that are swapped in place": ("a taken=q; b taken=p", "a taken=p; b taken=q", ["-a", "~b", "+a"]),
    "claims in a circle of three in place": (
        "a taken=q; b taken=r; c taken=p",
        "a taken=p; b taken=q; c taken=r",
        ["-a", "~c", "~b", "+a"],
    ),
    "a swap in place, and what stands on it": (
        "a taken=q; b taken=p; c needs=a; d needs=b",
        "a taken=p; b taken=q; c needs=a; d needs=b",
        ["-c", "-a", "~b", "+a", "+c"],
    ),
    "a claim of a foreign one": ("b holds=p", "a holds=p foreign", ["+b", "!b"]),
    "a claim of a foreign part that goes": (
        "a colour=red; c needs=a holds=p",
        "a; b needs=a whole=a holds=p automatic",
        ["-a", "+a", "+c"],
    ),
    "a new name with the old claim": (
        "b holds=p; c needs=b",
        "a holds=p; c needs=a",
        ["-c", "-a", "+b", "+c"],
    ),
    "a new name with the old claim, and more on top": (
        "b holds=p; c needs=b; d needs=c",
        "a holds=p; c needs=a; d needs=c",
        ["-d", "-c", "-a", "+b", "+c", "+d"],
    ),
    # Renewal
    "renewed by a change": ("a size=1; b needs=a renewed=a", "a; b needs=a renewed=a", ["~a", "-b", "+b"]),
    "renewed by a creation": ("a; b needs=a renewed=a", "b", ["+a", "-b", "+b"]),
    "not renewed": ("a; b needs=a renewed=a", "a; b needs=a renewed=a", []),
    "renewed at one remove": (
        "c renewed=b; b renewed=a; a size=1",
        "a; b renewed=a; c renewed=b",
        ["~a", "-b -c", "+b", "+c"],
    ),
    "renewed because its renewer is taken along": (
        "c renewed=b; b needs=a; a colour=red",
        "a; b needs=a; c renewed=b",
        ["-b -c", "-a", "+a", "+b", "+c"],
    ),
    # What can be removed only through another one
    "replaced through another": ("a; b needs=a", "a; b needs=a; c needs=a through=a", ["-b -c", "-a", "+a", "+b"]),
    "changed through another": ("a; b needs=a colour=red", "a; b needs=a through=a", ["-b", "-a", "+a", "+b"]),
    "vanishes, and so not through another": (
        "a; d",
        "d; c; a; b needs=c whole=c through=a",
        ["-c"],
    ),
    "vanishes with what is taken along": (
        "z; d colour=red; c needs=d",
        "b needs=c whole=c through=z; z; d; c needs=d",
        ["-c", "-d", "+d", "+c"],
    ),
    "goes through what is not managed": ("", "z foreign; b through=z", ["?b"]),
    # Pending
    "hindered": ("a hindered=not-now", "", ["?a"]),
    "what needs the hindered waits": ("a hindered=not-now; b needs=a; c needs=b; d", "", ["+d", "?a", "?b", "?c"]),
    "a need that nothing provides": ("b needs=a; c needs=b; d", "", ["+d", "?b", "?c"]),
    "a hindered replacement": ("a colour=red hindered=no; b needs=a", "a; b needs=a", ["?a"]),
    "a hindered replacement, and more on top": (
        "a colour=red hindered=no; b needs=a; c needs=b",
        "a; b needs=a; c needs=b",
        ["?a"],
    ),
    "a hindered replacement, and parts of what is on top": (
        "a colour=red hindered=no; b needs=a; c needs=b whole=b",
        "a; b needs=a; c needs=b whole=b",
        ["?a"],
    ),
    "a hindered replacement, and a change on top": (
        "a colour=red hindered=no; b needs=a size=1",
        "a; b needs=a",
        ["~b", "?a"],
    ),
    "a hindered renewal": ("a size=1; b needs=a renewed=a hindered=no", "a; b needs=a renewed=a", ["~a", "?b"]),
    "hindered is what it goes through": (
        "a hindered=no; b needs=a colour=red",
        "a; b needs=a through=a",
        ["?a", "?b"],
    ),
    "hindered is what a removal goes through": ("a hindered=no", "a; b needs=a through=a", ["?a", "?b"]),
    "a change in place is not hindered": ("a size=1 hindered=no", "a", ["~a"]),
}


@pytest.mark.parametrize(("want", "have", "lines"), CASES.values(), ids=CASES)
def test_plan(want: str, have: str, lines: list[str]) -> None:
    assert plan_lines(plan_of(want, have)) == lines


@pytest.mark.parametrize(("want", "have", "lines"), CASES.values(), ids=CASES)
def test_the_order_of_what_is_given_does_not_matter(want: str, have: str, lines: list[str]) -> None:
    backwards = ["; ".join(reversed(text.split("; "))) for text in (want, have)]
    assert plan_lines(plan_of(*backwards)) == lines


@pytest.mark.parametrize(
    ("want", "have", "words"),
    [
        ("b needs=a; c needs=a; d needs=a; e needs=a", "a", ["thing b, thing c, thing d and 1 more"]),
        ("b needs=a", "a", ["thing a will be removed", "needed by thing b"]),
        ("b needs=a size=1", "a; b needs=a", ["thing a will be removed"]),
        ("b needs=a", "a; b needs=a", ["thing a will be removed"]),
        ("a needs=b; b needs=a", "", ["circle", "thing a", "thing b"]),
        ("a needs=b; b needs=c; c needs=a; d", "", ["thing a", "thing b", "thing c", "→"]),
        ("a; a size=1", "", ["thing a is asked for twice"]),
        ("a holds=p; b holds=p", "", ["thing a and thing b both need slot p"]),
    ],
)
def test_no_plan(want: str, have: str, words: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(want, have)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("want", "have", "impacts"),
    [
        ("a", "", [Impact.ADDITION]),
        ("", "a", [Impact.REMOVAL]),
        ("a size=1", "a", [Impact.IN_PLACE]),
        ("a needs=b", "a; b foreign", [Impact.DISRUPTIVE]),
        ("a colour=red", "a", [Impact.REPLACEMENT, Impact.REPLACEMENT]),
    ],
)
def test_what_a_change_means_for_traffic(want: str, have: str, impacts: list[Impact]) -> None:
    assert [operation.impact for operation in plan_of(want, have).operations] == impacts


@pytest.mark.parametrize(
    ("want", "have", "of", "reason"),
    [
        ("a", "", "a", "not there"),
        ("", "a", "a", "no longer wanted"),
        ("a size=1", "a", "a", "size 0 → 1"),
        (
            "a colour=red size=1",
            "a colour=blue",
            "a",
            "size 0 → 1, colour blue → red; colour cannot be changed in place",
        ),
        ("limb a", "a", "a", "there is thing a"),
        ("a colour=red; b needs=a", "a; b needs=a", "b", "thing a is replaced"),
        ("a size=1; b renewed=a", "a; b renewed=a", "b", "thing a changes"),
    ],
)
def test_reasons(want: str, have: str, of: str, reason: str) -> None:
    operations = plan_of(want, have).operations
    assert {operation.reason for operation in operations if operation.key == key(of)} == {reason}


def test_conflicts_and_what_waits_say_why() -> None:
    (conflict,) = plan_of("a size=1", "a foreign").conflicts
    assert conflict.reason == "not ours and different: size 0 → 1"
    (conflict,) = plan_of("", "a; b needs=a foreign").conflicts
    assert "stands on thing a" in conflict.reason
    assert "removed" in conflict.reason
    (conflict,) = plan_of("b holds=p", "a holds=p foreign").conflicts
    assert conflict.reason == "thing a has slot p already"
    first, second = plan_of("a hindered=not-now; b needs=a", "").pending
    assert (first.reason, second.reason) == ("not there; not-now", "not there; waits for thing a")


def test_a_deletion_names_all_that_vanishes_with_it() -> None:
    (operation,) = plan_of("", "a; b needs=a whole=a; c needs=b whole=b").operations
    assert operation.action is Action.DELETE
    assert set(operation.takes) == {key("b"), key("c")}


def test_what_lies_in_a_table_that_was_not_seen_is_left_alone() -> None:
    unseen = {"thing": BusyError("not now")}
    plan = diff(parse("a; b needs=x"), Observation(unseen=unseen))
    assert plan.operations == ()
    assert plan.unseen == unseen
    assert not plan.empty
