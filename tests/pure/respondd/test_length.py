"""Answers are never longer than the room that yanic has: of long lists the best entries are told."""

from __future__ import annotations

import pytest

from tests.figures import KNOWN, PEERS
from tests.pure.respondd import as_yanic
from tests.pure.respondd.asked import ALL, Asked, crowd

MOST_BYTES = 8192


def asked_in_a_crowd(count: int) -> Asked:
    asked = Asked()
    asked.figures.know(KNOWN._replace(neighbours=crowd(count)))
    return asked


def costs(babel: dict[str, dict[str, dict[str, dict[str, int]]]]) -> list[int]:
    return sorted(link["cost"] for one in babel.values() for link in one["neighbours"].values())


def test_what_fits_is_told_whole() -> None:
    asked = asked_in_a_crowd(150)
    assert len(costs(asked.told()["neighbours"]["babel"])) == 150
    assert asked.counted("trimmed_entries", "neighbours") == 0


@pytest.mark.parametrize("count", [300, 400, 1000, 2500])
def test_of_many_neighbours_the_best_are_told(count: int) -> None:
    asked = asked_in_a_crowd(count)
    answer = asked.ask(ALL)
    assert answer is not None
    assert MOST_BYTES * 0.95 < len(answer) <= MOST_BYTES, "no more is left out than has to be"
    told = costs(as_yanic.read(answer)["neighbours"]["babel"])
    assert told == [96 + number for number in range(len(told))], "those with the lowest costs"
    assert asked.counted("trimmed_entries", "neighbours") == count - len(told)


def test_all_are_told_again_as_soon_as_they_fit() -> None:
    asked = asked_in_a_crowd(400)
    most = len(costs(asked.told()["neighbours"]["babel"]))
    for count in range(most + 20, most - 20, -1):
        asked.figures.know(KNOWN._replace(neighbours=crowd(count)))
        asked.now += 0.03
        told = len(costs(asked.told()["neighbours"]["babel"]))
        alone = asked_in_a_crowd(count)
        if told < count:
            assert len(costs(alone.told()["neighbours"]["babel"])) < count


def test_what_else_is_asked_for_takes_room() -> None:
    asked = asked_in_a_crowd(1000)
    alone = costs(asked.told(b"GET neighbours")["neighbours"]["babel"])
    assert len(alone) > len(costs(asked.told()["neighbours"]["babel"]))


def test_the_old_request_has_the_same_room() -> None:
    asked = asked_in_a_crowd(300)
    answer = asked.ask(b"neighbours")
    assert answer is not None
    assert MOST_BYTES * 0.95 < len(answer) <= MOST_BYTES
    assert len(costs(asked.plain("neighbours")["babel"])) > 50


def test_thousands_of_wireguard_peers_leave_room_for_the_neighbours() -> None:
    peers = tuple(
        PEERS[number % 2]._replace(public_key=f"{number * 2654435761 % 2**64:x}{number:040x}") for number in range(5000)
    )
    asked = Asked(peers=peers)
    told = asked.told()
    links = told["statistics"]["mesh_vpn"]["groups"]["wg-mesh"]["peers"].values()
    assert len(links) > 100
    assert all(link is not None for link in links), "those with a session first"
    assert len(costs(told["neighbours"]["babel"])) == 3
    assert asked.counted("trimmed_entries", "statistics") == 5000 - len(links)
    assert asked.counted("trimmed_entries", "neighbours") == 0


def test_what_cannot_be_short_enough_is_not_sent() -> None:
    asked = Asked(status={"offers": []})
    asked.figures.settings = None  # type: ignore[assignment]
    asked.figures.node_id = "".join(f"{number * 2654435761 % 2**32:x}" for number in range(5000))
    assert asked.ask(ALL) is None
    assert asked.dropped() == {"size": 1}
