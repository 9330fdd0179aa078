"""What is said after `lab break`, `heal` and `down`."""

from __future__ import annotations

from reconciler.cli import lab_done


def test_what_is_broken_and_how_it_is_healed() -> None:
    now = [
        {"target": "kiel", "state": "no power", "not_up": {"kiel:mesh0": "silent"}},
        {"target": "cable", "state": "no carrier", "not_up": {"kiel:mesh0": "no carrier"}},
        {"target": "roof:lan0", "state": "silent", "not_up": {"roof:lan0": "silent"}},
    ]
    assert list(lab_done.changed(now)) == [
        "kiel has no power; `stellwerk lab heal kiel` starts it",
        "cable has no carrier; `stellwerk lab heal cable` undoes that",
        "roof:lan0 is silent: frames are lost; `stellwerk lab heal roof:lan0` undoes that",
    ]


def test_what_is_healed_and_what_is_still_broken() -> None:
    now = [
        {"target": "kiel", "state": "power", "not_up": {"kiel:mesh0": "no carrier"}},
        {"target": "cable", "state": "healed", "not_up": {}},
        {"target": "roof", "state": "daemon started", "not_up": {}},
    ]
    assert list(lab_done.changed(now)) == [
        "kiel has power again, and starts; for another break kiel:mesh0 has no carrier",
        "cable is healed",
        "roof has its daemon started again",
    ]
    assert list(lab_done.changed([])) == ["nothing is broken"]


def test_the_end() -> None:
    assert lab_done.ended("two-nodes") == "two-nodes has ended; nothing is left of it"
