"""What a node file means in objects of the kernel and of babeld, as ``ip``-like lines.

Each folder below ``expansions`` is a node file and its objects. To write down what they are now, after reading them:
``python -m tests.pure.intent.test_expansion``.
"""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from intent.document import Node
from intent.expansion import expand, references
from intent.features.links import link_address, link_name
from intent.features.wireguard import WireGuard
from intent.loading import load, loads
from intent.problems import IntentError
from intent.references import HostAddress, KernelLinkKind, PresharedKeyFile, PrivateKeyFile
from intent.resources.address import Address
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface
from intent.resources.file import File, KeyFile, file_key
from intent.resources.gre_link import GreLink
from intent.resources.link import key as link_key
from intent.resources.resource import Key, Resource
from intent.resources.route import Route
from intent.resources.sysctl import Sysctl
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_link import UserspaceWireGuardLink, WireGuardLink
from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_peer import WireGuardPeer
from tests.pure.intent.conftest import private_key, resolved

FOLDERS = sorted(file.parent for file in (Path(__file__).parent / "expansions").glob("*/intent.yaml"))
EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/*.yaml"))
HEAD = "version: 1\nnode: berlin-7\n"
OTHER = key_text(private_key("somewhere else").public)


def node(text: str) -> Node:
    return loads((HEAD + text).encode(), "node.yaml")


def objects(text: str, **how: Any) -> tuple[Resource, ...]:
    wanted = node(text)
    return tuple(expand(wanted, resolved(wanted, **how)))


def lines(wanted: Node) -> str:
    return "".join(f"{resource.describe()}\n" for resource in expand(wanted, resolved(wanted)))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_it_means(folder: Path) -> None:
    assert lines(load(str(folder / "intent.yaml"))) == (folder / "objects.txt").read_text()


def test_there_is_a_case_for_every_feature() -> None:
    from intent.features import features

    assert {folder.name for folder in FOLDERS} >= set(features())


@pytest.mark.parametrize("path", [*EXAMPLES, *(folder / "intent.yaml" for folder in FOLDERS)], ids=str)
def test_every_need_is_met_by_the_node_or_is_a_link_of_the_machine(path: Path) -> None:
    wanted = load(str(path))
    resources = expand(wanted, resolved(wanted, generated=True))
    keys = [resource.key for resource in resources]
    assert len(keys) == len(set(keys))
    unmet = {need for resource in resources for need in resource.requires()} - set(keys)
    assert {need.space for need in unmet} <= {"link"}
    assert {need.name[0] for need in unmet} <= {"mesh0", "mesh1", "wan", "lan", "lte0.1", "tun0", "clients"}


def test_the_order_of_the_file_does_not_matter() -> None:
    text = (EXAMPLES[0]).read_text()
    wanted = load(str(EXAMPLES[0]))
    sections = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)
    for order in itertools.islice(itertools.permutations(sections), 0, 5000, 700):
        other = loads("".join(order).encode(), "node.yaml")
        assert other == wanted
        assert lines(other) == lines(wanted)


def test_nodes_are_equal_by_what_they_say_not_by_how_it_is_written() -> None:
    assert node('mesh: {prefixes: ["fd00:0::/8"]}') == node("mesh:\n  # ours\n  prefixes:\n    - FD00::/8\n")


def test_an_empty_node_means_nothing() -> None:
    assert objects("") == ()


WIREGUARD = f"""
wireguard:
  - name: wg0
    private_key: {{file: /etc/stellwerk/keys/wg0, generate: true}}
    IMPLEMENTATION
    peers: [{{public_key: {OTHER}, endpoint: "NAME:51820"}}]
"""


@pytest.mark.parametrize(
    ("implementation", "kernel", "kind"),
    [
        ("mtu: 1420", True, WireGuardLink),
        ("mtu: 1420", False, UserspaceWireGuardLink),
        ("implementation: auto", False, UserspaceWireGuardLink),
        ("implementation: kernel", False, WireGuardLink),
        ("implementation: userspace", True, UserspaceWireGuardLink),
    ],
)
def test_which_wireguard_it_is(implementation: str, kernel: bool, kind: type[Resource]) -> None:
    first, *_ = objects(WIREGUARD.replace("IMPLEMENTATION", implementation), kernel=kernel)
    assert type(first) is kind


def test_what_has_to_be_looked_up() -> None:
    text = WIREGUARD.replace("IMPLEMENTATION", "mtu: 1420").replace("NAME", "gw.example.org")
    assert references(node(text)) == (
        PrivateKeyFile("/etc/stellwerk/keys/wg0", generate=True),
        KernelLinkKind("wireguard"),
        HostAddress("gw.example.org"),
    )
    text = text.replace("mtu: 1420", "implementation: kernel").replace(
        f"{OTHER},", f"{OTHER}, preshared_key: {{file: /p}},"
    )
    assert references(node(text))[1:] == (PresharedKeyFile("/p"), HostAddress("gw.example.org"))


def test_a_new_key_is_written_before_it_is_used() -> None:
    text = WIREGUARD.replace("IMPLEMENTATION", "mtu: 1420")
    assert not [resource for resource in objects(text) if isinstance(resource, KeyFile)]
    fresh = objects(text, generated=True)
    (file,) = (resource for resource in fresh if isinstance(resource, KeyFile))
    (device,) = (resource for resource in fresh if isinstance(resource, WireGuardDevice))
    assert file.private_key == device.private_key == private_key("/etc/stellwerk/keys/wg0")
    assert file.key == file_key("/etc/stellwerk/keys/wg0")
    assert file.key in device.requires()


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("gw.example.org", "[2001:db8:fe::1]:51820"),
        ("[2001:DB8::0:3]", "[2001:db8::3]:51820"),
        ("gone.invalid", "None"),
    ],
)
def test_an_endpoint_is_kept_as_written_and_as_found(name: str, address: str) -> None:
    text = WIREGUARD.replace("IMPLEMENTATION", "mtu: 1420").replace("NAME", name)
    (peer,) = (resource for resource in objects(text) if isinstance(resource, WireGuardPeer))
    assert (str(peer.endpoint), peer.endpoint_name) == (address, f"{name.replace('DB8::0:3', 'db8::3')}:51820")


def test_uplinks_listen_to_router_advertisements_before_the_node_forwards() -> None:
    sysctls = [resource for resource in objects("mesh: {uplinks: [wan]}") if isinstance(resource, Sysctl)]
    assert [(sysctl.name, sysctl.value) for sysctl in sysctls] == [
        ("net/ipv6/conf/wan/accept_ra", "2"),
        ("net/ipv6/conf/all/forwarding", "1"),
    ]
    assert sysctls[0].key in sysctls[1].requires()
    assert link_key("wan") in sysctls[0].requires()


EXIT = 'mesh: {}\nexit: {prefixes: [{prefix: "2a00:42::/48", via: {interface: wan}, metric: METRIC}]}'


def test_an_exit_is_announced_from_its_route_and_guarded_against_loops() -> None:
    found = objects(EXIT.replace("METRIC", "300"))
    route, guard = (one for one in found if isinstance(one, Route))
    announcement = next(one for one in found if isinstance(one, BabelAnnouncement))
    assert route.key in announcement.requires()
    # babeld announces all of protocol 242, so the guard must be of another; and it must lose against any route.
    assert (route.protocol, guard.protocol) == (242, 241)
    assert guard.metric > route.metric


def test_the_metric_of_an_exit_is_in_the_configuration_of_babeld() -> None:
    (file,) = (resource for resource in objects(EXIT.replace("METRIC", "300")) if isinstance(resource, File))
    assert isinstance(file.content, bytes)
    assert b"src-ip 2a00:42::/48 src-eq 48 proto 242 metric 300\n" in file.content
    (daemon,) = (resource for resource in objects(EXIT.replace("METRIC", "0")) if isinstance(resource, BabelDaemon))
    assert file.key in daemon.requires()


def test_two_nodes_agree_on_their_link() -> None:
    keys = {name: private_key(f"/etc/keys/{name}").public for name in ("berlin", "kiel")}
    sides = {}
    for own, other in (("berlin", "kiel"), ("kiel", "berlin")):
        text = f"""
mesh: {{}}
links:
  private_key: {{file: /etc/keys/{own}}}
  peers: [{{node: {other}, public_key: {key_text(keys[other])}, listen_port: 1}}]
"""
        sides[own] = objects(text)
    name = link_name(keys["berlin"], keys["kiel"])
    for own, other in (("berlin", "kiel"), ("kiel", "berlin")):
        found = {type(resource): resource for resource in sides[own]}
        assert found[WireGuardLink].key == link_key(name)
        assert found[BabelInterface].key == Key("babel interface", (name,))
        address = found[Address]
        assert isinstance(address, Address)
        assert address.address == f"{link_address(keys[own], keys[other])}/64"


def complaint(text: str) -> str:
    with pytest.raises(IntentError) as caught:
        objects(text)
    return str(caught.value)


def test_a_node_is_not_its_own_peer() -> None:
    own = key_text(private_key("/k").public)
    peers = f"[{{public_key: {OTHER}}}, {{public_key: {own}}}]"
    assert complaint(f"wireguard: [{{name: wg0, private_key: {{file: /k}}, peers: {peers}}}]\n").startswith(
        "node.yaml:3:131: this is the public key of `wg0` itself; a peer has another\n"
    )
    peers = f"[{{node: kiel-2, listen_port: 1, public_key: {own}}}]"
    assert complaint(f"mesh: {{}}\nlinks: {{private_key: {{file: /k}}, peers: {peers}}}\n").startswith(
        "node.yaml:4:85: this is the public key of this node itself, not that of `kiel-2`\n"
    )


def test_two_features_that_ask_for_one_object_are_both_named() -> None:
    name = link_name(private_key("/k").public, private_key("somewhere else").public)
    said = complaint(f"""
mesh: {{}}
links: {{private_key: {{file: /k}}, peers: [{{node: kiel-2, public_key: {OTHER}, listen_port: 1}}]}}
wireguard: [{{name: {name}, private_key: {{file: /other}}}}]
""")
    assert f"node.yaml:6:1: both `links` and `wireguard` ask for link {name}, with different properties\n" in said
    assert f"ask for wireguard {name}, with different properties" in said


def test_a_feature_is_found_by_its_model() -> None:
    wanted = node("wireguard: []\n")
    assert wanted.get(WireGuard) == WireGuard(())
    assert node("").get(WireGuard) is None


if __name__ == "__main__":
    for folder in FOLDERS:
        (folder / "objects.txt").write_text(lines(load(str(folder / "intent.yaml"))))


def test_a_field_that_is_taken_out_of_the_file_goes_back_to_its_default() -> None:
    """A documented default is a wish: two nodes with one file are alike, whatever was there before."""
    gre = 'gre: [{name: t, mode: MODE, local: "2001:db8::1", remote: "2001:db8::2"}]\n'
    tunnel = objects(gre.replace("MODE", "ip6gre"))[0]
    assert isinstance(tunnel, GreLink)
    assert (tunnel.ttl, tunnel.tos, tunnel.encapsulation_limit) == (64, 0, 4)
    device, peer = (
        next(one for one in objects(WIREGUARD.replace("IMPLEMENTATION", "mtu: 1420")) if isinstance(one, kind))
        for kind in (WireGuardDevice, WireGuardPeer)
    )
    assert isinstance(device, WireGuardDevice)
    assert isinstance(peer, WireGuardPeer)
    assert (device.fwmark, peer.persistent_keepalive) == (0, 0)
