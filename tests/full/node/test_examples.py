"""Every example, applied for real: afterwards the plan is empty, and removing it leaves what was there before."""

from pathlib import Path

import pytest

from tests.host import Host, until

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
NOTHING = "version: 1\nnode: nothing\n"


def adapted(node: Host, example: Path) -> Path:
    """Write the example with paths in the host's folder, its interfaces, and its restart command for real."""
    text = example.read_text()
    for old, new in (
        ("/etc/stellwerk", "$folder"),
        ("/run/babeld.sock", "$folder/babeld.sock"),
        ("restart_command: [systemctl, restart, babeld]", "restart_command: [$folder/restart-babeld]"),
        ("  babeld:\n", "  babeld:\n    {head}\n"),
        ("interface: lte0.1", "interface: mesh0"),
        # Whose own address the next router's is there.
        ('interface: lan, gateway: "2001:db8:1::2"', 'interface: mesh0, gateway: "fe80::2"'),
    ):
        text = text.replace(old, new)
    defaults = "".join(
        f"    {field}: $folder/{name}\n"
        for field, name in (("socket", "babeld.sock"), ("config", "babeld.conf"))
        if f"{field}: $folder/{name}" not in text
    )
    return node.node_file(text.replace("    {head}\n", defaults))


@pytest.fixture
def node(node: Host) -> Host:
    """The host with one more interface: ``clients``, where networks behind it are."""
    node.namespace.cable("clients", node.neighbour, "clients")
    until(lambda: node.namespace.ip("address").count("fe80::") == 3, "its link-local address")
    return node


def _everything(node: Host) -> list[str]:
    """Return what the kernel's tools print of this host, without what the kernel makes of addresses by itself."""
    looks = (("-o", "link"), ("-o", "address"), ("-6", "route", "show", "table", "all"), ("-6", "rule"), ("rule",))
    lines = [line for words in looks for line in node.namespace.ip(*words).splitlines()]
    return [line for line in lines if "table local" not in line]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_applied_empty_and_removed(node: Host, example: Path) -> None:
    fresh = _everything(node)
    file = adapted(node, example)
    first = node.apply(file)
    if first.code == 1:
        # Without a restart command babeld is the operator's to start, which its error says.
        assert "start it with" in first.out
        node.start_babeld("-G", str(node.socket), "-c", str(node.configuration))
        first = node.apply(file)
    assert first.code == 0, first.out + first.err
    assert node.stellwerk("plan", file, *node.state()).code == 0
    assert node.plan(file)["in_sync"]
    removed = node.apply(node.node_file(NOTHING, "nothing.yaml"), "--allow-deletes")
    assert removed.code in (0, 2), removed.out + removed.err
    if removed.code == 2:
        # babeld 1.12 lets go of an interface only when it ends; so long the rules around it stay.
        node.end()
        ended = node.apply(node.node_file(NOTHING, "nothing.yaml"), "--allow-deletes")
        assert ended.code == 0, ended.out + ended.err
    assert _everything(node) == fresh


def test_the_exit_over_gre_is_announced_and_survives_its_tunnels_replacement(node: Host) -> None:
    example = next(path for path in EXAMPLES if path.stem == "exit-gre")
    file = adapted(node, example)
    node.start_neighbour()
    assert node.apply(file).code == 0

    def learned() -> int:
        routes = node.neighbour.ip("-6", "route", "show", "proto", "babel").splitlines()
        return sum(route.startswith("default from 2001:db8:4") for route in routes)

    until(lambda: learned() == 2, "both exits at the neighbour")
    file.write_text(file.read_text().replace("mode: ip6gre", "mode: ip6gretap"))
    plan = node.plan(file)
    replaced = {" ".join(map(str, step["key"])) for step in plan["operations"] if step["impact"] == "replacement"}
    assert {"link gre-provider", "address gre-provider fd00:aa::2/64"} <= replaced
    assert node.apply(file).code == 0
    assert node.plan(file)["in_sync"]
    until(lambda: learned() == 2, "both exits at the neighbour again")
