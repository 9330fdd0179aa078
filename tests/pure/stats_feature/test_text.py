"""The statistics as people read them."""

from __future__ import annotations

import json
from typing import Any

import click

from reconciler.cli import stats_text
from reconciler.services.statistics.as_json import as_json
from tests.figures import FakeFigures


def told() -> dict[str, Any]:
    """Return what comes over the socket."""
    found: dict[str, Any] = json.loads(json.dumps(as_json(FakeFigures())))
    return found


def text(stats: dict[str, Any]) -> list[str]:
    return click.unstyle("\n".join(stats_text.lines(stats))).splitlines()


def test_all_of_a_node() -> None:
    lines = text(told())
    assert lines[0].startswith("exit-berlin-7 (02000000000a): up 24h12s, load 0.42 0.36 0.30, 64.0 MiB of 128.0 MiB")
    rows = [" ".join(line.split()) for line in lines]
    for row in (
        "babel: babeld-1.12.1, router 02:00:00:ff:fe:00:00:0a, by monitor",
        "neighbour interface heard rxcost txcost cost rtt",
        "fe80::b mesh0 16/16 96 96 96 -",
        "fe80::c mesh0 14/16 128 256 289 12.3 ms",
        "fe80::d wg-mesh 1/16 300 65535 unreachable 83.2 ms",
        "2001:db8:42::/56 announced -",
        "2001:db8:43::/56 withdrawn gre-provider has no carrier",
        "interface role kind state received sent errors dropped",
        "wlan0 mesh - down 0 B 0 B 0 0",
        "lo - - up 4.9 KiB 4.9 KiB 0 0",
        "gre-provider tunnel ip6gre up 65.2 GiB 5.6 GiB 0 7",
        "xTIBA5rboUvn… wg-mesh 1h6m40s ago 400 B 800 B 198.51.100.7:51820 (roamed)",
    ):
        assert row in rows, row
    assert any(row.startswith("offender: a default route without `from`") for row in rows)


def test_what_is_not_known_is_not_shown() -> None:
    stats = told()
    stats["babel"] |= {"known": None, "problem": "babeld does not answer"}
    stats["problems"] = {"babel": "babeld does not answer", "peers": "no right to see them"}
    stats |= dict.fromkeys(("ways_out", "wireguard", "exits", "reconciler", "offenders"))
    lines = text(stats)
    assert "babel: not known: babeld does not answer" in lines
    assert sum("babeld does not answer" in line for line in lines) == 1
    assert not any("fe80::b" in line for line in lines)
    assert "  missing: peers: no right to see them" in lines
    assert text({**stats, "babel": None})


def test_which_services_run_and_which_do_not_is_shown() -> None:
    taken = "[::1]:8080 is taken"
    services = [
        {"name": "respondd", "state": "running", "problem": ""},
        {"name": "prometheus", "state": "running", "problem": ""},
        {"name": "page", "state": "waiting", "problem": taken},
    ]
    lines = text({**told(), "services": services})
    assert "  services: respondd, prometheus running" in lines
    assert f"  does not run: page: {taken}" in lines
    assert not any("services" in line for line in text({**told(), "services": []}))


def test_names_from_the_network_do_nothing_to_a_terminal() -> None:
    stats = told()
    hostile = "\x1b[2J\u202e\nroute"
    stats["babel"]["known"]["neighbours"][0]["address"] = hostile
    stats["offenders"]["all"][0]["description"] = hostile
    stats["problems"] = {hostile: hostile}
    shown = "\n".join(text(stats))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert not any(line.startswith("route") for line in shown.splitlines())


def test_of_many_rows_the_first_are_shown() -> None:
    stats = told()
    stats["babel"]["known"]["neighbours"] *= 100
    lines = text(stats)
    assert f"… and {300 - stats_text.MOST_ROWS} more, which `--json` has" in lines
    assert len(lines) < 100


def test_memory_that_the_kernel_does_not_tell_is_left_out() -> None:
    stats = told()
    del stats["system"]["memory_available_bytes"]
    assert text(stats)[0].endswith("load 0.42 0.36 0.30")
