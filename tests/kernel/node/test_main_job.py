"""From a node file to a changed kernel and back, through the command line, with real babelds and wireguard-go."""

import json

import pytest

from tests.host import Host, until

PEER = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
EXIT = """
version: 1
node: exit-1
mesh:
  table: 10
  prefixes: ["fd00:6d65::/48"]
  uplinks: [wan]
  interfaces: [{name: mesh0, type: wired}, {name: wg-main-job, type: tunnel, rxcost: 300}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
addresses: [{interface: mesh0, addresses: ["fd00:6d65::1/64"]}]
wireguard:
  - name: wg-main-job
    private_key: {file: $folder/keys/wg, generate: true}
    implementation: userspace
    listen_port: 51820
    addresses: ["fe80::1/64"]
    peers: [{public_key: "PEER", endpoint: "[2001:db8:1::9]:51820", allowed_ips: ["::/0"]}]
exit:
  allow_special_purpose: true
  prefixes:
    - {prefix: "2001:db8:42::/56", via: {interface: wan, gateway: "fe80::1"}}
    - {prefix: "2001:db8:43::/56", via: {interface: wan, gateway: "fe80::1"}, metric: 200}
""".replace("PEER", PEER)
NOTHING = "version: 1\nnode: exit-1\n"


def _learned(node: Host) -> dict[str, str]:
    """Return the sources of the neighbour's default routes, with their next hop's link."""
    routes = json.loads(node.neighbour.ip("-j", "-6", "route", "show", "proto", "babel"))
    return {route["from"]: route["dev"] for route in routes if route["dst"] == "default"}


def _named(plan: dict[str, object]) -> set[str]:
    operations = plan["operations"]
    assert isinstance(operations, list)
    return {f"{operation['action']} {' '.join(map(str, operation['key']))}" for operation in operations}


def test_an_exit_is_made_seen_broken_repaired_and_removed(node: Host) -> None:
    file = node.node_file(EXIT)
    node.start_neighbour()
    before = node.plan(file)
    assert not before["in_sync"]
    assert node.stellwerk("plan", file, *node.state()).code == 2

    done = node.apply(file)
    assert (done.code, done.err) == (0, ""), done.out + done.err
    assert "verified" in done.out
    assert node.stellwerk("plan", file, *node.state()).out == "exit-1: in sync, nothing to do\n"
    until(lambda: _learned(node).keys() == {"2001:db8:42::/56", "2001:db8:43::/56"}, "both exits at the neighbour")

    node.namespace.ip("-6", "route", "delete", "default", "from", "2001:db8:42::/56", "table", "10")
    node.namespace.program("wg", "set", "wg-main-job", "peer", PEER, "remove")
    node.namespace.ip("link", "set", "wg-main-job", "down")
    assert _named(node.plan(file)) == {
        "create route 10 ::/0 2001:db8:42::/56 512",
        "create babel announcement ::/0 2001:db8:42::/56",
        f"create wireguard peer wg-main-job {PEER}",
        "update link wg-main-job",
        "create address wg-main-job fe80::1/64",
    }
    assert node.apply(file).code == 0
    assert node.plan(file)["in_sync"]

    nothing = node.node_file(NOTHING, "nothing.yaml")
    refused = node.apply(nothing)
    assert refused.code == 4
    assert "--allow-deletes" in refused.err
    assert not node.plan(nothing)["in_sync"]
    # babeld 1.12 cannot let go of an interface while it runs, and is not ours to restart without a mesh.
    assert node.apply(nothing, "--allow-deletes").code == 2
    waiting = {held["key"][0] for held in node.plan(nothing)["pending"]}
    assert waiting == {"babel interface", "file", "rule"}
    assert node.plan(nothing)["operations"] == []
    until(lambda: not _learned(node), "the neighbour's routes to go")


def test_a_key_is_generated_once_and_for_its_owner_alone(node: Host) -> None:
    file = node.node_file(EXIT)
    assert node.apply(file).code == 0
    key = node.folder / "keys" / "wg"
    assert key.stat().st_mode & 0o777 == 0o600
    first = key.read_text()
    assert node.apply(file).code == 0
    assert key.read_text() == first


def test_babel_finds_no_other_link_local_address_than_the_files(node: Host) -> None:
    assert node.apply(node.node_file(EXIT)).code == 0
    addresses = json.loads(node.namespace.ip("-j", "-6", "address", "show", "dev", "wg-main-job"))
    assert [one["local"] for one in addresses[0]["addr_info"]] == ["fe80::1"]


def test_no_secret_is_shown_or_kept(node: Host) -> None:
    file = node.node_file(EXIT)
    said = [node.stellwerk("plan", file, *node.state()), node.apply(file)]
    node.namespace.ip("link", "delete", "wg-main-job")
    said += [node.stellwerk("plan", file, "--json", *node.state()), node.apply(file)]
    secret = (node.folder / "keys" / "wg").read_text().strip()
    kept = (node.folder / "state" / "inventory.json").read_text()
    assert not [text for text in (kept, *(one.out + one.err for one in said)) if secret in text]


def test_a_saved_plan_is_applied_as_long_as_it_fits(node: Host) -> None:
    file = node.node_file(EXIT)
    assert node.apply(file).code == 0
    node.namespace.ip("-6", "route", "delete", "default", "from", "2001:db8:42::/56", "table", "10")
    saved = node.folder / "plan.json"
    assert node.stellwerk("plan", file, "--out", saved, *node.state()).code == 2
    assert node.apply(saved).code == 0
    again = node.apply(saved)
    assert again.code == 4
    assert "moved on" in again.err
    assert "no longer needed: create route default from 2001:db8:42::/56" in again.err


def test_a_plan_that_makes_keys_cannot_be_saved(node: Host) -> None:
    said = node.stellwerk("plan", node.node_file(EXIT), "--out", node.folder / "plan.json", *node.state())
    assert said.code == 4
    assert "wg genkey" in said.err
    assert not (node.folder / "plan.json").exists()


@pytest.mark.parametrize(
    ("removed", "words"),
    [
        ("restart_command: [$folder/restart-babeld]", "start it with"),
    ],
)
def test_without_babeld_the_rest_is_done(node: Host, removed: str, words: str) -> None:
    file = node.node_file(EXIT.replace(f", {removed}", ""))
    said = node.apply(file)
    assert said.code == 1
    assert words in said.out
    assert "skipped, since babeld" in said.out
    assert "2001:db8:42::/56" in node.namespace.ip("-6", "route", "show", "table", "10")
    assert {step["key"][0] for step in node.plan(file)["operations"]} == {
        "babeld",
        "babel interface",
        "babel announcement",
    }


def test_a_babeld_without_our_file_is_pending_until_it_may_be_restarted(node: Host) -> None:
    node.start_babeld("-G", str(node.socket), "mesh0")
    restart = ", restart_command: [$folder/restart-babeld]"
    said = node.apply(node.node_file(EXIT.replace(restart, "")))
    assert said.code == 2, said.out + said.err
    assert f"-c {node.configuration}" in said.out
    file = node.node_file(EXIT)
    assert "replacement" in {step["impact"] for step in node.plan(file)["operations"]}
    assert node.apply(file).code == 0
    assert node.plan(file)["in_sync"]


def test_new_options_of_a_babel_interface_take_a_restart_on_this_babeld(node: Host) -> None:
    assert node.apply(node.node_file(EXIT)).code == 0
    changed = node.node_file(EXIT.replace("rxcost: 300", "rxcost: 500"))
    actions = {(step["action"], step["key"][0], step["impact"]) for step in node.plan(changed)["operations"]}
    assert ("create", "babeld", "replacement") in actions
    assert node.apply(changed).code == 0
    assert node.plan(changed)["in_sync"]


def test_a_kernel_without_gre_is_found_out_before_anything_changes(node: Host) -> None:
    gre = 'gre: [{name: gre-x, mode: ip6gre, local: "2001:db8:1::2", remote: "2001:db8:1::1"}]\n'
    text = "version: 1\nnode: gre-1\naddresses: [{interface: mesh0, addresses: ['fd00::1/64']}]\n"
    said = node.apply(node.node_file(text + gre))
    assert said.code == 4
    assert "modprobe ip6_gre" in said.out
    assert "fd00::1" not in node.namespace.ip("address", "show", "dev", "mesh0")
