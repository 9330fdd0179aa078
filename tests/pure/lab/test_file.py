"""The lab's file: what is right, and what is said about what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from intent.loading import loads
from intent.problems import IntentError
from reconciler.lab.file import load
from reconciler.lab.layout import layout, link_local
from tests.pure.docs.markdown import ROOT

EXAMPLES = sorted((ROOT / "examples" / "lab").glob("*/lab.yaml"))
NODE = "version: 1\nnode: a\n"


def said(folder: Path, text: str) -> str:
    """Return all that is said about a lab's file, in which there may be the node file a.yaml."""
    (folder / "a.yaml").write_text(NODE)
    file = folder / "lab.yaml"
    file.write_text(text)
    with pytest.raises(IntentError) as caught:
        load(str(file))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_right(path: Path) -> None:
    found = load(str(path))
    assert found.nodes
    assert len({link_local(end) for end in layout(found).at}) == len(layout(found).at)


def test_a_wire_to_a_node_that_is_not_there(tmp_path: Path) -> None:
    text = 'lab: 1\nnodes: {a: {intent: a.yaml}}\nwires: [{name: w, between: ["a:mesh0", "b:mesh0"]}]\n'
    assert said(tmp_path, text).splitlines() == [
        "lab.yaml:3:40: there is no node `b` in this lab",
        '    wires: [{name: w, between: ["a:mesh0", "b:mesh0"]}]',
        "    " + " " * 39 + "^",
        "  there are `a`",
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "lab.yaml", "a lab's file is a mapping"),
        ("lab: 2\nnodes: {a: {intent: a.yaml}}", "lab.yaml:1:6", "`lab` must be 1, the only version there is yet"),
        ("lab: 1", "lab.yaml:1:1", "a lab's file needs `nodes`"),
        ("lab: 1\nnodes: {}", "lab.yaml:2:1", "`nodes` must not be empty"),
        ("lab: 1\nnodse: {a: {}}", "lab.yaml:2:1", "`nodse` is not a field of a lab's file"),
        ("lab: 1\nnodes: {a: {intnet: a.yaml}}", "lab.yaml:2:13", "`intnet` is not a field of a node of a lab"),
        ("lab: 1\nnodes: {a: {intent: b.yaml}}", "lab.yaml:2:21", "there is no file"),
        ("lab: 1\nnodes: {internet: {}}", "lab.yaml:2:9", "must be another name: `internet` stands for a part"),
        ("lab: 1\nnodes: {a_b: {}}", "lab.yaml:2:9", "the name of a node of a lab must be like a host name"),
        (f"lab: 1\nnodes: {{{'a' * 41}: {{}}}}", "lab.yaml:2:9", "must be at most 40 characters long"),
        (
            "lab: 1\nnodes: {a: {intent: a.yaml, babeld: [x]}}",
            "lab.yaml:2:29",
            "`babeld` is for nodes without Stellwerk, and `a` has an `intent`",
        ),
        (
            "lab: 1\nnodes: {a: {}, b: {}}\nwires: [{name: w, between: ['a:an-interface-too-long', 'b:m']}]",
            "lab.yaml:3:29",
            "must be at most 15 bytes long",
        ),
        (
            "lab: 1\nnodes: {a: {}, b: {}}\nwires: [{name: w, between: [a, 'b:m']}]",
            "lab.yaml:3:29",
            "must be `node:interface`, not `a`",
        ),
        ("lab: 1\nnodes: {a: {}}\nwires: [{name: w, between: ['a:m']}]", "lab.yaml:3:28", "joins two interfaces"),
        (
            "lab: 1\nnodes: {a: {}, b: {}}\nwires:\n- {name: w, between: ['a:m', 'b:m']}\n"
            "- {name: v, between: ['a:m', 'b:n']}",
            "lab.yaml:5:23",
            "`a:m` has a cable already, from line 4",
        ),
        (
            "lab: 1\nnodes: {a: {}, b: {}}\nwires: [{name: a, between: ['a:m', 'b:m'], delay: 5 ms, loss: 200%}]",
            "lab.yaml:3:51",
            "must be a time such as `5ms`, not `5 ms`",
        ),
        (
            "lab: 1\nnodes: {a: {}, b: {}}\nwires: [{name: a, between: ['a:m', 'b:m'], loss: 200%}]",
            "lab.yaml:3:50",
            "must be a share such as `1%`, not `200%`",
        ),
        (
            "lab: 1\nnodes: {a: {}, b: {}}\nwires: [{name: a, between: ['a:m', 'b:m']}]",
            "lab.yaml:3:16",
            "`a` is the name of a node or client already",
        ),
        (
            "lab: 1\nnodes: {a: {}}\nclients: {a: {at: 'a:l', address: '2001:db8::2/64', gateway: '2001:db8::1'}}",
            "lab.yaml:3:11",
            "`a` is the name of a node already",
        ),
        (
            "lab: 1\nnodes: {a: {}}\nclients: {c: {at: 'x:l', address: '192.0.2.1/24', gateway: '2001:db8::1'}}",
            "lab.yaml:3:35",
            "all of a lab is IPv6",
        ),
        (
            "lab: 1\nnodes: {a: {}}\ninternet: {lines: [{node: b, interface: wan, gateway: '2001:db8::1/64'}]}",
            "lab.yaml:3:27",
            "there is no node `b` in this lab",
        ),
        (
            "lab: 1\nnodes: {a: {}}\ninternet: {lines: [{node: a, interface: wan, gateway: '2001:db8::1/64', "
            "address: '2001:db8:1::2/64'}]}",
            "lab.yaml:3:82",
            "`2001:db8:1::2/64` is not in the network of the gateway, `2001:db8::/64`",
        ),
        (
            "lab: 1\nnodes: {a: {}, b: {}}\nwires: [{name: w, between: ['a:lo', 'b:m']}]",
            "lab.yaml:3:29",
            "must be another name: every network namespace has an interface `lo` already",
        ),
        (
            "lab: 1\nnodes: {a: {}}\ninternet: {lines: [{node: a, interface: all, gateway: '2001:db8::1/64'}]}",
            "lab.yaml:3:41",
            "must be another name: every network namespace has settings of `all` its interfaces already",
        ),
        (
            "lab: 1\nnodes: {a: {}}\nclients:\n"
            "  c: {at: 'a:default', address: '2001:db8::2/64', gateway: '2001:db8::1'}",
            "lab.yaml:4:11",
            "must be another name: every network namespace has settings that are the `default`",
        ),
        (
            "lab: 1\nnodes: {a: {}}\nclients:\n  c: {at: 'a:l', address: '2001:db8::2/64', gateway: '2001:db8:1::1'}",
            "lab.yaml:4:54",
            "`2001:db8:1::1` is not in the client's network, `2001:db8::/64`",
        ),
        (
            "lab: 1\nnodes: {a: {}}\nclients:\n  c: {at: 'a:l', address: '2001:db8::2/64', gateway: '2001:db8::2'}",
            "lab.yaml:4:54",
            "`2001:db8::2` is the client's own address",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, place: str, words: str, tmp_path: Path) -> None:
    whole = said(tmp_path, text + "\n")
    assert any(line.startswith(f"{place}: ") and words in line for line in whole.splitlines()), whole


def test_a_node_file_that_is_wrong_is_said_at_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("version: 1\nnode: b\nmesh: {tabel: 10}\n")
    whole = said(tmp_path, "lab: 1\nnodes: {a: {intent: a.yaml}, b: {intent: b.yaml}}\n")
    assert whole.startswith("b.yaml:3:8: `tabel` is not a field of the mesh")


def test_the_same_key_for_two_nodes(tmp_path: Path) -> None:
    key = "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc="
    text = "lab: 1\nnodes:\n" + "".join(f"  {name}: {{intent: a.yaml, keys: {{/srv/k: {key}}}}}\n" for name in "ab")
    assert "lab.yaml:4:30: this public key is that of `a` already: each node has its own" in said(tmp_path, text)


def test_a_key_that_nothing_would_use(tmp_path: Path) -> None:
    key = "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc="
    whole = said(tmp_path, f"lab: 1\nnodes:\n  a: {{intent: a.yaml, keys: {{/srv/k: {key}}}}}\n")
    assert "lab.yaml:3:30: no key of `a` is in `/srv/k`" in whole
    assert "the key files that its node file names: none" in whole
    assert "lab.yaml:3:38: no node file of this lab names this public key" in whole


def test_a_gateway_may_be_link_local(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(
        "lab: 1\nnodes: {a: {}}\nclients: {c: {at: 'a:l', address: '2001:db8::2/64', gateway: 'fe80::1'}}\n"
    )
    assert "c" in load(str(file)).clients


def test_a_node_file_is_taken_for_one(tmp_path: Path) -> None:
    assert said(tmp_path, NODE).splitlines() == [
        "lab.yaml:1:1: this is a node file, not a lab's",
        "    version: 1",
        "    ^",
        "  `stellwerk plan` takes it; a lab's file names it: `nodes: {NAME: {intent: FILE}}`",
    ]


def test_a_labs_file_is_no_node_file() -> None:
    with pytest.raises(IntentError) as caught:
        loads("# a mesh\nlab: 1\nname: x\nnodes: {a: {}}\n", "lab.yaml")
    assert str(caught.value).splitlines() == [
        "lab.yaml:2:1: this is a lab's file, not a node file",
        "    lab: 1",
        "    ^",
        "  `stellwerk lab up` takes it",
    ]


def test_clients_share_a_cable_and_join_a_wire(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    client = "{at: 'a:l', address: '2001:db8::2/64', gateway: '2001:db8::1'}"
    other = client.replace("a:l", "a:m")
    file.write_text(
        "lab: 1\nnodes: {a: {}, b: {}}\nwires: [{name: w, between: ['a:m', 'b:m']}]\n"
        f"clients: {{c: {client}, d: {client}, e: {other}}}\n"
    )
    found = layout(load(str(file)))
    assert [[str(end) for end in cable.ends] for cable in found.cables] == [
        ["a:m", "b:m", "e:eth0"],
        ["a:l", "c:eth0", "d:eth0"],
    ]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("mesh: {babeld: {config: /tmp/x.conf}}", "`/tmp/x.conf`"),
        ("mesh: {babeld: {config: /x.conf}}", "`/x.conf`"),
        ("mesh: {babeld: {config: /etc/babeld.conf}}", "`/etc/babeld.conf`"),
        ("mesh: {babeld: {config: /var/x.conf}}", "`/var/x.conf`"),
        ("mesh: {babeld: {socket: /tmp/babeld.sock}}", "`/tmp/babeld.sock`"),
        ("wireguard: [{name: wg0, private_key: {file: /etc/x.key}}]", "`/etc/x.key`"),
        ("wireguard: [{name: wg0, private_key: {file: /run/x.key}}]", "`/run/x.key`"),
    ],
)
def test_a_file_of_a_node_where_it_can_have_no_folder_of_its_own(tmp_path: Path, node: str, words: str) -> None:
    (tmp_path / "b.yaml").write_text(f"version: 1\nnode: b\n{node}\n")
    found = said(tmp_path, "lab: 1\nnodes:\n  b: {intent: b.yaml}\n")
    assert found.startswith("lab.yaml:3:15: "), found
    assert f"{words} is in a folder that a node of a lab cannot have for itself" in found


def test_a_key_where_a_node_can_have_no_folder_of_its_own(tmp_path: Path) -> None:
    key = "L5IQasNyfABzytaz6qve89hJMHPgs7lnnzSI6QSF3CA="
    found = said(tmp_path, f'lab: 1\nnodes:\n  a: {{intent: a.yaml, keys: {{/etc/x.key: "{key}"}}}}\n')
    assert found.startswith("lab.yaml:3:30: `/etc/x.key` is in a folder that a node"), found


def test_files_below_run_and_in_folders_of_their_own_are_right(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "version: 1\nnode: a\nmesh: {babeld: {config: /run/babeld.conf, socket: /var/run/babeld.sock}}\n"
        "wireguard: [{name: wg0, private_key: {file: /srv/keys/x}}]\n"
    )
    (tmp_path / "lab.yaml").write_text("lab: 1\nnodes: {a: {intent: a.yaml}}\n")
    assert load(str(tmp_path / "lab.yaml")).nodes
