"""When the loop looks at what, on a whole node."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from reconciler.core.backend import News
from reconciler.core.errors import UnreachableError
from tests.pure.loop.rig import RealStage, real_stage

REAL_KINDS = True

FILE = """
version: 1
node: berlin-7
addresses:
  - {interface: mesh0, addresses: ["fd00:6d65::7/64", "fd00:6d65::8/64"]}
gre:
  - {name: gre-1, mode: ip6gre, local: "2001:db8:1::2", remote: "2001:db8:1::9", addresses: ["fd00:aa::2/64"]}
wireguard:
  - {name: wg-mesh, private_key: {file: /keys/wg-mesh, generate: true}, listen_port: 51820}
"""


@pytest.fixture
def calm(node: RealStage) -> RealStage:
    """A node that is as it should be."""
    node.file(FILE)
    node.run(1)
    assert node.status["sync"]["state"] == "synced"
    node.backend.dumps.clear()
    node.journal.clear()
    return node


def addresses(node: RealStage) -> list[str]:
    return [line for line in node.backend.describe() if line.startswith("address fd00:6d65")]


def lose_addresses(node: RealStage) -> None:
    node.backend.kernel.addresses.drop([node.backend.kernel.links.named("mesh0").index])


def test_the_first_change_is_said_to_be_of_the_start_and_later_news_to_be_lost(node: RealStage) -> None:
    node.loop.hear(News(None))
    node.file(FILE)
    node.run(1)
    assert node.history.of("changed")[0]["because"] == "the daemon started, the node file changed, a new intent"
    lose_addresses(node)
    node.loop.hear(News(None))
    node.run(1)
    assert node.history.of("changed")[-1]["because"] == "news were lost"


def test_what_was_deleted_is_made_again_at_the_news_of_it(calm: RealStage) -> None:
    before = addresses(calm)
    assert before
    lose_addresses(calm)
    calm.hear("address")
    assert calm.loop.due() <= calm.clock.now()
    calm.run()
    assert addresses(calm) == before
    assert calm.history.of("changed")[-1]["because"] == "something changed"


def test_without_a_difference_only_the_table_of_the_news_is_looked_at(calm: RealStage) -> None:
    calm.hear("address")
    calm.run()
    assert calm.backend.dumps == ["address"]
    assert calm.journal == []


def test_what_stands_on_objects_of_a_table_is_looked_at_with_it(calm: RealStage) -> None:
    calm.hear("link")
    calm.run()
    # The parameters, the addresses and the WireGuard of a link that went and came again are not what they were.
    assert {"link", "address", "wireguard"} <= set(calm.backend.dumps)
    assert "rule" not in calm.backend.dumps


def test_after_a_repair_there_is_one_look_that_verifies_it_and_then_peace(calm: RealStage) -> None:
    lose_addresses(calm)
    calm.hear("address")
    calm.run()
    seen = Counter(calm.backend.dumps)
    assert seen.pop("address") == 2
    assert set(seen.values()) <= {1}
    assert calm.loop.due() > calm.clock.now() + 20


def test_lost_news_have_everything_looked_at(calm: RealStage) -> None:
    calm.loop.hear(News(None))
    calm.run()
    assert {"address", "link", "rule", "wireguard"} <= set(calm.backend.dumps)
    assert set(Counter(calm.backend.dumps).values()) == {1}


def test_news_of_nothing_wake_nobody(calm: RealStage) -> None:
    calm.loop.hear(News())
    assert calm.loop.due() > calm.clock.now()
    calm.run()
    assert calm.backend.dumps == []


def test_everything_is_looked_at_each_five_minutes_more_or_less() -> None:
    node = real_stage(random=Random(7).random)
    node.file(FILE)
    node.run(1)
    times = []
    before = 0
    node.backend.dumps.clear()

    def note() -> None:
        nonlocal before
        if (now := node.backend.dumps.count("link")) > before:
            before = now
            times.append(node.clock.now())

    node.after_turn = note
    node.run(3 * 3600)
    pauses = [round(later - earlier, 3) for earlier, later in pairwise(times)]
    assert 270 <= min(pauses) < max(pauses) <= 330
    assert len(set(pauses)) > len(pauses) // 2


def test_tables_without_news_are_looked_at_each_half_minute(calm: RealStage) -> None:
    calm.loop.tables_without_news(frozenset({"wireguard"}))
    calm.run(3600)
    seen = Counter(calm.backend.dumps)
    assert 3600 / 33 - 2 <= seen["wireguard"] <= 3600 / 27 + 2
    assert seen["address"] <= 3600 / 270 + 1


def test_a_change_without_news_is_found_in_the_end(calm: RealStage) -> None:
    before = addresses(calm)
    lose_addresses(calm)
    calm.run(331)
    assert addresses(calm) == before


def test_the_reason_of_a_repair_is_the_news_and_not_a_timer_that_found_nothing(calm: RealStage) -> None:
    calm.run(100)
    lose_addresses(calm)
    calm.hear("address")
    calm.run()
    assert calm.history.of("changed")[-1]["because"] == "something changed"


# Tables that cannot be seen.


def hide_rules(node: RealStage) -> None:
    node.backend.hide("rule", UnreachableError("rules: no answer"))
    node.hear("rule")


def test_what_lies_in_other_tables_is_kept_while_one_cannot_be_seen(calm: RealStage) -> None:
    before = addresses(calm)
    hide_rules(calm)
    calm.run(5)
    assert calm.status["sync"]["state"] == "unknown"
    assert any("rules: no answer" in reason for reason in calm.status["health"]["reasons"])
    lose_addresses(calm)
    calm.hear("address")
    calm.run()
    assert addresses(calm) == before


def test_a_table_that_cannot_be_seen_is_looked_at_less_and_less_until_it_can(calm: RealStage) -> None:
    hide_rules(calm)
    calm.run(60)
    first = calm.backend.dumps.count("rule")
    assert 4 <= first <= 8
    calm.run(3600)
    assert calm.backend.dumps.count("rule") - first <= 3600 / 270 + 15
    calm.backend.recover()
    calm.run(330)
    assert calm.status["sync"]["state"] == "synced"
    assert calm.status["health"]["state"] == "healthy"


def test_news_of_other_tables_do_not_put_off_the_look_at_one_that_could_not_be_seen(calm: RealStage) -> None:
    hide_rules(calm)
    calm.run(5)
    calm.backend.recover()
    calm.backend.dumps.clear()
    for _ in range(60):
        calm.hear("address")
        calm.run(0.5)
    assert "rule" in calm.backend.dumps
    assert calm.status["sync"]["state"] == "synced"


def test_a_table_that_could_not_be_seen_from_the_beginning_is_done_later(node: RealStage) -> None:
    node.backend.hide("link", UnreachableError("links: no answer"))
    node.file(FILE)
    node.run(5)
    assert node.status["sync"]["state"] != "synced"
    node.backend.recover()
    node.run(60)
    assert node.status["sync"]["state"] == "synced"
