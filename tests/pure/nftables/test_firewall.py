"""What a node file's firewall means, in the words of nft(8)."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

import pytest

from intent.expansion import expand, references
from intent.features.links import link_name
from intent.loading import loads
from intent.references import DelegatedPrefix, References
from intent.resources.nftables_table import NftTable, table_key
from intent.resources.resource import Key
from intent.resources.sysctl import Sysctl
from intent.resources.wireguard_names import key_text
from tests.pure.intent.conftest import private_key, resolved

HEAD = """
version: 1
node: exit-1
mesh: {prefixes: ["fd00:6d65:7368::/48"], uplinks: [dsl], interfaces: [{name: mesh0}]}
"""
EXIT = """
exit:
  allow_special_purpose: true
  prefixes:
    - {prefix: "2001:db8:42::/56", via: {interface: gre-provider, gateway: "fe80::1"}}
    - {prefix: "2001:db8:42:100::/56", via: {interface: gre-provider, gateway: "fe80::1"}}
    - {prefix: "fd00:1::/48", via: {interface: wan, gateway: "fe80::1"}}
gre: [{name: gre-provider, mode: ip6gre, local: "2001:db8:1::2", remote: "2001:db8:1::1"}]
"""
OTHER = private_key("somewhere else").public
LINKS = f"""
links:
  private_key: {{file: /k}}
  peers: [{{node: hamburg-3, public_key: "{key_text(OTHER)}", listen_port: 51901}}]
"""
LINK = link_name(private_key("/k").public, OTHER)


def objects(text: str) -> list[Any]:
    node = loads((HEAD + text).encode(), "node.yaml")
    return list(expand(node, resolved(node)))


def table(text: str) -> NftTable:
    (found,) = (one for one in objects(text) if isinstance(one, NftTable))
    return found


def sets(text: str) -> dict[str, tuple[str, ...]]:
    return {one.name: one.elements for one in table(text).sets}


def chains(text: str) -> dict[str, list[str]]:
    return {chain.name: [rule.line for rule in chain.rules] for chain in table(text).chains}


def forwarding_waits_for(text: str) -> tuple[Key, ...]:
    name = "net/ipv6/conf/all/forwarding"
    (found,) = (one for one in objects(text) if isinstance(one, Sysctl) and one.name == name)
    return found.requires()


def test_without_it_there_is_no_table() -> None:
    assert not [one for one in objects(EXIT) if isinstance(one, NftTable)]
    assert table_key() not in forwarding_waits_for(EXIT)


def test_a_prefix_that_other_exits_serve_too_may_come_in_from_outside() -> None:
    """A client of it that leaves by another exit talks to this one's own address."""
    shared = EXIT.replace('"2001:db8:42:100::/56",', '"2001:db8:42:100::/56", shared: true,')
    found = sets(shared + "firewall: {}\n")
    assert found["exit_gre_provider"] == ("2001:db8:42::/55",)
    assert found["inside"] == ("2001:db8:42::/56", "fd00:1::/48", "fd00:6d65:7368::/48")


def test_what_may_leave_the_mesh_by_each_interface() -> None:
    assert sets(EXIT + "firewall: {}\n") == {
        "mesh": ("mesh0",),
        "outside": ("dsl", "gre-provider", "wan"),
        "exit_dsl": (),
        "exit_gre_provider": ("2001:db8:42::/55",),
        "exit_wan": ("fd00:1::/48",),
        "inside": ("2001:db8:42::/55", "fd00:1::/48", "fd00:6d65:7368::/48"),
        "tunnels": ("gre-provider",),
    }
    leaving = chains(EXIT + "firewall: {}\n")["leaving"]
    assert leaving == [
        *(
            f"iifname @mesh oifname {interface} ip6 saddr != @{name} counter name spoofed_out "
            "reject with icmpv6 policy-fail"
            for interface, name in (
                ("dsl", "exit_dsl"),
                ("gre-provider", "exit_gre_provider"),
                ("wan", "exit_wan"),
            )
        ),
        "iifname @mesh oifname @outside meta nfproto ipv4 counter name spoofed_out reject with icmpx admin-prohibited",
    ]


def test_what_may_not_come_in() -> None:
    text = 'networks: [{prefix: "2001:db8:7::/64", interface: lan}]\n'
    assert "2001:db8:7::/64" in sets(EXIT + text + "firewall: {}\n")["inside"]
    translated = 'firewall: {translate: [{from: "fd00:1::/48", to: "2001:db8:5::/48", out: wan}]}\n'
    assert "2001:db8:5::/48" in sets(EXIT + translated)["inside"]
    assert chains("firewall: {}\n")["entering"] == ["iifname @outside ip6 saddr @inside counter name spoofed_in drop"]


def test_links_belong_to_the_mesh_and_are_tunnels() -> None:
    found = sets(EXIT + LINKS + "firewall: {}\n")
    assert found["mesh"] == tuple(sorted(("mesh0", LINK)))
    assert found["tunnels"] == tuple(sorted(("gre-provider", LINK)))


def test_forwarding_waits_for_the_table_where_it_keeps_packets_in() -> None:
    assert table_key() in forwarding_waits_for("firewall: {}\n")
    assert table_key() not in forwarding_waits_for("firewall: {anti_spoofing: false}\n")


def test_what_is_not_asked_for_is_not_made() -> None:
    nothing = table(EXIT + "firewall: {anti_spoofing: false, clamp_mss: false}\n")
    assert (nothing.counters, nothing.sets, nothing.chains) == ((), (), ())
    assert "clamp" not in chains("firewall: {}\n")


def test_translation_in_both_directions() -> None:
    found = chains(
        EXIT + 'firewall: {translate: [{from: "fd00:1::/48", to: "2001:db8:5::/48", out: wan}],'
        ' masquerade: [{from: "fd00:2::/48", out: wan}]}\n'
    )
    assert found["source"] == [
        "oifname wan ip6 saddr fd00:2::/48 masquerade",
        "oifname wan ip6 saddr fd00:1::/48 snat ip6 prefix to 2001:db8:5::/48",
    ]
    assert found["destination"] == ["iifname wan ip6 daddr 2001:db8:5::/48 dnat ip6 prefix to fd00:1::/48"]


@pytest.mark.parametrize("names", [["gre-a", "gre.a", "gre_a"], ["a-b", "a.b__2", "a_b"]])
def test_interfaces_whose_names_nft_cannot_tell_apart_have_sets_of_their_own(names: list[str]) -> None:
    prefixes = "".join(
        f'    - {{prefix: "2001:db8:{number}::/48", via: {{interface: {name}, gateway: "fe80::1"}}}}\n'
        for number, name in enumerate(names, 1)
    )
    found = sets(f"exit:\n  allow_special_purpose: true\n  prefixes:\n{prefixes}firewall: {{}}\n")
    own = {name: elements for name, elements in found.items() if name.startswith("exit_") and elements}
    assert sorted(own.values()) == [("2001:db8:1::/48",), ("2001:db8:2::/48",), ("2001:db8:3::/48",)]


def test_a_delegated_prefix_is_what_it_is_now_and_without_one_nothing_leaves() -> None:
    exits = """
exit:
  allow_special_purpose: true
  prefixes: [{prefix: {delegated: wan, length: 60}, via: {interface: wan}}]
"""
    node = loads((HEAD + exits + "firewall: {}\n").encode(), "node.yaml")
    known = {one: resolved(node)[one] for one in references(node)}
    (delegated,) = (one for one in known if isinstance(one, DelegatedPrefix))
    for prefix in ("2001:db8:90::/60", "2001:db8:a0::/60", None):
        now = References(known | {delegated: None if prefix is None else IPv6Network(prefix)})
        (found,) = (one for one in expand(node, now) if isinstance(one, NftTable))
        elements = {one.name: one.elements for one in found.sets}
        assert elements["exit_wan"] == (() if prefix is None else (prefix,))
        assert prefix is None or prefix in elements["inside"]


def test_a_network_of_a_delegated_prefix_is_inside_as_it_is_now() -> None:
    networks = "networks: [{prefix: {delegated: dsl, length: 64}, interface: clients}]\n"
    node = loads((HEAD + networks + "firewall: {}\n").encode(), "node.yaml")
    known = {one: resolved(node)[one] for one in references(node)}
    (delegated,) = (one for one in known if isinstance(one, DelegatedPrefix))
    for prefix in ("2001:db8:90::/64", "2001:db8:a0::/64", None):
        now = References(known | {delegated: None if prefix is None else IPv6Network(prefix)})
        (found,) = (one for one in expand(node, now) if isinstance(one, NftTable))
        inside = {one.name: one.elements for one in found.sets}["inside"]
        assert {one for one in inside if one.endswith("/64")} == ({prefix} - {None})
