"""babeld knows an exit of a delegated prefix by its interface, and the others on that interface by their prefixes."""

from __future__ import annotations

from ipaddress import IPv6Network

from intent.resources.babel_configuration import BabelConfiguration, ExitMetric

WRITTEN = IPv6Network("2001:db8:9::/56")


def exits(*metrics: ExitMetric) -> list[str]:
    text = BabelConfiguration(10, metrics).render().decode()
    return [
        line
        for line in text.splitlines()
        if line.startswith("redistribute") and "::/0 eq 0" in line and "proto" in line
    ]


def test_a_prefix_that_changes_is_not_in_the_file() -> None:
    assert exits(ExitMetric(None, 96, "wan")) == ["redistribute if wan ip ::/0 eq 0 proto 242 metric 96"]
    assert exits(ExitMetric(None, 0, "wan")) == []


def test_what_leaves_through_the_same_interface_keeps_its_own_metric() -> None:
    rest = ExitMetric(IPv6Network("2001:db8:8::/56"), 0, "gre-1")
    for metric, said in ((0, "allow"), (300, "metric 300")):
        assert exits(ExitMetric(None, 96, "wan"), ExitMetric(WRITTEN, metric, "wan"), rest) == [
            f"redistribute ip ::/0 eq 0 src-ip 2001:db8:9::/56 src-eq 56 proto 242 {said}",
            "redistribute if wan ip ::/0 eq 0 proto 242 metric 96",
        ]
