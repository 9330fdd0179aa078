"""A node's complete document: what it is merged from, in which order, and what each marker does."""

from __future__ import annotations

import textwrap

import pytest

from intent.digest import digest
from intent.fleet.repository import Fleet, read_fleet, read_fleet_from
from intent.loading import loads
from intent.problems import IntentError

KEY_A = "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc="
KEY_B = "hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="
HEAD = "version: 1\nfleet: example\n"


def fleet(**files: str) -> Fleet:
    """Return a fleet of files whose names have ``__`` for ``/``, ``_`` for ``-``, and no ending."""
    paths = {name.replace("__", "/").replace("_", "-") + ".yaml": text for name, text in files.items()}
    return read_fleet_from({path: textwrap.dedent(text).encode() for path, text in paths.items()}, "")


def body(text: str) -> str:
    """Return a document without what all of them begin with."""
    return "".join(line for line in text.splitlines(True) if not line.startswith(("#", "version:", "node:")))


def one(defaults: str = "", node: str = "", head: str = "", **files: str) -> str:
    """Return the body of node ``a`` with defaults and a file of its own."""
    shared = textwrap.indent(textwrap.dedent(defaults), "  ")
    whole = HEAD + textwrap.dedent(head) + (f"defaults:\n{shared}" if shared.strip() else "")
    return body(fleet(fleet=whole, nodes__a=node, **files).render("a").text)


def refused(*arguments: str, **files: str) -> str:
    """Return what is said of a node that cannot be rendered."""
    with pytest.raises(IntentError) as caught:
        one(*arguments, **files)
    return str(caught.value)


def test_later_files_win_in_the_stated_order() -> None:
    made = fleet(
        fleet=HEAD + "defaults: {mesh: {table: 11, rule_priority: 100}, guards: {}}\n",
        groups__g="mesh: {table: 12}",
        groups__h="mesh: {table: 13}",
        roles__r="mesh: {table: 14}",
        nodes__none="",
        nodes__groups="groups: [g, h]",
        nodes__turned="groups: [h, g]",
        nodes__role="groups: [g]\nroles: [r]",
        nodes__own="roles: [r]\nmesh: {table: 15}",
    )
    tables = {name: made.render(name).text.split("table: ")[1][:2] for name in made.nodes}
    assert tables == {"none": "11", "groups": "13", "turned": "12", "role": "14", "own": "15"}


def test_the_complete_document_means_the_same_and_says_what_it_is_made_of() -> None:
    made = fleet(fleet=HEAD, groups__g="mesh: {interfaces: [{name: m, type: wired}]}", nodes__a="groups: [g]")
    rendered = made.render("a")
    assert rendered.text.startswith("# Written by `stellwerk render` from fleet.yaml, groups/g.yaml, nodes/a.yaml: ")
    assert digest(loads(rendered.text, "a")) == digest(rendered.node)
    assert rendered.node.name == "a"
    assert rendered.inputs == made.inputs("a") == ("fleet.yaml", "groups/g.yaml", "nodes/a.yaml")
    assert made.render("a").text == rendered.text


def test_lists_of_named_things_merge_by_their_names() -> None:
    assert (
        one(
            "addresses:\n- {interface: b, addresses: [fd00::1/64]}\n- {interface: c, addresses: [fd00::2/64]}",
            "addresses:\n- {interface: c, addresses: [fd00::3/64]}\n- {interface: d, addresses: [fd00::4/64]}",
        )
        == "addresses:\n"
        "  - interface: b\n    addresses:\n      - fd00::1/64\n"
        "  - interface: c\n    addresses:\n      - fd00::3/64\n"
        "  - interface: d\n    addresses:\n      - fd00::4/64\n"
    )


def test_two_spellings_of_a_name_are_one() -> None:
    text = one(
        'mesh: {}\nnetworks:\n- {prefix: "2001:db8:0:7::/64", interface: c}',
        'networks:\n- {prefix: "2001:DB8:0:7:0::/64", address: "2001:db8:0:7::1"}',
    )
    assert text.count("prefix:") == 1
    assert "interface: c" in text


def test_a_name_may_be_an_expression() -> None:
    text = one(
        "mesh: {}\nnetworks:\n- {prefix: \"${subnet('fd00::/48', 64, number)}\", interface: c}",
        'variables: {number: 7}\nnetworks:\n- {prefix: "fd00:0:0:7::/64", address: "fd00:0:0:7::1"}',
        "variables: {number: {type: integer}}\n",
    )
    assert text.count("prefix:") == 1


def test_plain_lists_are_replaced_or_added_to() -> None:
    assert "uplinks:\n    - b\n" in one("mesh: {uplinks: [a]}", "mesh: {uplinks: [b]}")
    assert "uplinks:\n    - a\n    - b\n" in one("mesh: {uplinks: [a]}", "mesh: {uplinks: {$add: [b]}}")
    assert "uplinks:\n    - b\n" in one("mesh: {}", "mesh: {uplinks: {$add: [b]}}")


def test_what_is_removed_is_gone() -> None:
    assert (
        one("mesh: {table: 12}\nguards: {}", "guards: {$remove: true}\nmesh: {table: {$remove: true}}") == "mesh: {}\n"
    )
    items = "addresses:\n- {interface: b, addresses: [fd00::1/64]}\n- {interface: c, addresses: [fd00::2/64]}"
    assert "interface: b" not in one(items, "addresses:\n- {interface: b, $remove: true}")


def test_what_is_replaced_keeps_nothing() -> None:
    assert one("mesh: {table: 12, uplinks: [a]}", "mesh: {$replace: true, table: 13}") == "mesh:\n  table: 13\n"
    items = "addresses:\n- {interface: b, addresses: [fd00::1/64]}"
    assert "interface: b" not in one(items, "addresses: {$replace: [{interface: c, addresses: [fd00::2/64]}]}")
    tunnel = 'gre:\n- {name: g, mode: ip6gre, local: "2001:db8::1", remote: "2001:db8::2", mtu: 1400}'
    replaced = 'gre:\n- {name: g, $replace: true, mode: ip6gre, local: "2001:db8::1", remote: "2001:db8::3"}'
    assert "mtu" not in one(tunnel, replaced)


@pytest.mark.parametrize(
    ("defaults", "node", "said"),
    [
        ("mesh: {}", "guards: {$remove: true}", "nodes/a.yaml:1:10: there is no `guards` to remove"),
        ("mesh: {}", "addresses:\n- {interface: b, $remove: true}", "2:18: there is no `b` in `addresses` to remove"),
        ("mesh: {}", "mesh: {uplinks: {$ad: [b]}}", "did you mean `$add`?"),
        ("mesh: {table: 12}", "mesh: {table: {$add: [b]}}", "finds no list here"),
        ("addresses: []", "addresses: {$add: []}", "is for lists whose items have no names"),
        ("mesh: {}", "mesh: {$remove: false}", "`$remove` must be `true`"),
        ("mesh: {}", "mesh: {$remove: true, table: 12}", "`table` stands beside `$remove`"),
        ("mesh: {}", "mesh: {$replace: 7}", "takes a list that stands alone, or `true`"),
        ("mesh: {}", "$remove: true", "cannot stand at the top of a file"),
        ("mesh: {}", "groups: [x]", "1:10: `x` is none of the fleet's groups"),
        ("mesh: {}", "node: a", "the name of the file in nodes/ is the node's name"),
        ("mesh: {}", "mehs: {}", "did you mean `mesh`?"),
        ("mesh: {tabel: 3}", "", "fleet.yaml:4:10: `tabel` is not a field of the mesh"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(defaults: str, node: str, said: str) -> None:
    assert said in refused(defaults, node)


def test_a_place_in_another_file_is_named_with_it() -> None:
    said = refused(
        "mesh: {uplinks: [a], interfaces: [{name: b}]}",
        "mesh: {uplinks: [b]}",
    )
    assert "nodes/a.yaml:1:18: `b` is a mesh interface (fleet.yaml:4) and cannot be an uplink" in said


VARIABLES = """\
variables:
  number: {type: integer}
  prefix: {type: prefix, default: "fd00::/48"}
  again: {type: text, default: "${turn}"}
  turn: {type: text, default: "${again}"}
"""


def addressed(expression: str) -> str:
    return f'addresses:\n- {{interface: b, addresses: ["{expression}/64"]}}'


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("${address(prefix, 3)}", "fd00::3/64"),
        ("${address(subnet(prefix, 64, 5), 3)}", "fd00:0:0:5::3/64"),
        ("${address(prefix, number)}", "fd00::7/64"),
        ("${address(prefix, host(node))}", "/64"),
    ],
)
def test_expressions_have_values(expression: str, said: str) -> None:
    assert said in one(addressed(expression), "variables: {number: 7}", VARIABLES)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("${adress(prefix, 3)}", "2:33: `adress` is no function\n"),
        ("${address(prefix, 3, 4)}", "`address` takes a prefix and a number, not 3 arguments"),
        ("${address(prefix, prefix)}", "argument 2 of `address` must be a number, not `fd00::/48`"),
        ("${address('x', 3)}", "argument 1 of `address` must be a prefix"),
        ("${subnet(prefix, 40, 3)}", "argument 2 of `subnet` must be a length from 48 to 128"),
        ("${subnet(prefix, 64, 65536)}", "must be from 0 to 65535"),
        ("${prefx}", "2:33: there is no variable `prefx`\n"),
        ("${number}", "2:33: the variable `number` has no value on `a`"),
        ("${again}", "needs itself: `again` → `turn` → `again`"),
        ("${address(prefix, 3) ", "`/` cannot stand in `${…}`"),
        ("${}", "a variable or a function is missing before this `}`"),
        ("${prefix;}", "`;` cannot stand in `${…}`"),
        ("${node}", "the text became `a/64` here"),
    ],
)
def test_a_wrong_expression_is_said_at_its_place(expression: str, said: str) -> None:
    assert said in refused("", addressed(expression), VARIABLES)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ("{number: seven}", "nodes/a.yaml:1:21: the variable `number` must be a whole number, not `seven`"),
        ("{prefix: fd00}", "the variable `prefix` must be a prefix such as"),
        ("{numer: 7}", "there is no variable `numer`"),
        (f"{{turn: {KEY_A}}}", "the variable `turn` must not be a key"),
    ],
)
def test_a_wrong_variable_is_said_at_its_place(variables: str, said: str) -> None:
    said_of_it = refused("", f"variables: {variables}", VARIABLES)
    assert said in said_of_it
    assert KEY_A not in said_of_it


def test_a_value_that_nothing_needs_may_be_missing() -> None:
    assert "fd00::9/64" in one(addressed("${address(prefix, number)}"), addressed("fd00::9"), VARIABLES)


def test_one_expression_alone_keeps_its_type() -> None:
    assert "table: 7\n" in one('mesh: {table: "${number}"}', "variables: {number: 7}", VARIABLES)
    assert "contact: f${f}\n" in one(
        "stats: {respondd: {interfaces: [b]}, about: {contact: 'f$${f}'}}\nmesh: {interfaces: [{name: b}]}"
    )


def test_all_that_is_wrong_with_the_common_files_is_said_at_once() -> None:
    with pytest.raises(IntentError) as caught:
        fleet(
            fleet=HEAD + "defalts: {}\nvariables: {a: {type: txt}}\nlinks: [{between: [n, m], port: 1}]",
            groups__g="variables: {b: 1}\nmehs: {}",
            roles__r="a: b: c",
            nodes__n="",
        )
    places = [f"{problem.file}:{problem.line}" for problem in caught.value.problems]
    assert places == ["fleet.yaml:3", "fleet.yaml:4", "fleet.yaml:5", "groups/g.yaml:2", "roles/r.yaml:1"]


def test_no_fleet_at_all_is_said(tmp_path: object) -> None:
    with pytest.raises(IntentError, match="is no repository of a fleet"):
        read_fleet(str(tmp_path))


def test_a_link_of_one_line_is_made_at_both_sides() -> None:
    links = (
        "defaults: {links: {private_key: {file: /k}}, mesh: {}}\nlinks: [{between: [a, b], port: 51901, rxcost: 300}]"
    )
    made = fleet(
        fleet=HEAD + links,
        nodes__a=f'public: {{keys: {{links: "{KEY_A}"}}, host: "2001:db8::7"}}',
        nodes__b=f'public: {{keys: {{links: "{KEY_B}"}}}}\nlinks: {{peers: [{{node: a, rxcost: 400}}]}}',
    )
    a, b = made.render("a"), made.render("b")
    assert f"node: b\n      rxcost: 300\n      public_key: {KEY_B}\n      listen_port: 51901" in a.text
    assert 'endpoint: "[2001:db8::7]:51901"' in b.text
    assert "rxcost: 400" in b.text
    assert a.inputs[-1] == "nodes/b.yaml"
    assert dict(a.public.keys) == {"links": KEY_A}


def test_each_field_says_where_it_is_from() -> None:
    made = fleet(
        fleet=HEAD + "variables: {number: {type: integer, default: 12}}\ndefaults: {mesh: {table: '${number}'}}",
        groups__g="mesh: {table: 13, uplinks: [w]}",
        nodes__a="groups: [g]\nmesh: {table: 14}",
        nodes__b="",
    )
    explained = {one.path: one for one in made.render("a").explained}
    table = explained["mesh", "table"]
    assert (table.value, str(table.origin)) == ("14", "nodes/a.yaml:2:15")
    assert [str(origin) for origin in table.over] == ["groups/g.yaml:1:15", "fleet.yaml:4:26"]
    assert str(explained["mesh", "uplinks", 0].origin) == "groups/g.yaml:1:29"
    (table,) = [one for one in made.render("b").explained if one.path == ("mesh", "table")]
    assert (table.value, table.by, str(table.origin)) == ("12", "${number}", "fleet.yaml:4:26")


def test_a_secret_is_put_in_from_its_file() -> None:
    files = {
        "fleet.yaml": HEAD.encode() + b"defaults: {links: {private_key: {age: 'secrets/${node}.age'}}, mesh: {}}",
        "nodes/a.yaml": b"",
        "nodes/b.yaml": b"",
        "nodes/c.yaml": b"links: {private_key: {age: ../secret}}",
        "secrets/a.age": b"age-encryption.org/v1\n-> X25519 abc\nabc\n--- abc\nabc",
        "secrets/b.age": b"plain",
    }
    made = read_fleet_from(files, "")
    assert "secrets/a.age" in made.inputs("a")
    for name, said in (("b", "is no age file"), ("c", "is outside of the repository")):
        with pytest.raises(IntentError, match=said) as caught:
            made.render(name)
        assert "plain" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "groups: [g]\n\npublic:\n  # what others know\n  keys:\n    links: KEY\n  host: h.example.org\nmesh: {}\n",
        "public: {keys: {links: KEY}, host: h.example.org}",
        "{public: {keys: {links: KEY}, host: h.example.org}}",
        "public: {keys: {links: KEY}, host: 'h.${domain}'}\ngroups: [g]\n",
        "stats: {about: {contact: &x h.example.org}}\npublic:\n  keys: {links: KEY}\n  host: *x\n",
    ],
)
def test_what_is_public_is_the_same_for_neighbours_and_for_the_node(text: str) -> None:
    made = fleet(
        fleet=HEAD
        + "variables: {domain: {type: text}}\ndefaults: {mesh: {interfaces: [{name: m}]}, stats: {respondd: {}}}",
        groups__g="variables: {domain: example.org}",
        nodes__a=text.replace("KEY", f'"{KEY_A}"'),
    )
    public = made.public("a")
    assert (public.keys, public.host) == ((("links", KEY_A),), "h.example.org")
    rendered = made.render("a")
    assert rendered.public == public
    assert rendered.public.written == public.written


def test_variables_that_nothing_uses_are_found() -> None:
    variables = "variables: {a: {type: integer}, b: {type: text}, c: {type: text, default: x}}\n"
    made = fleet(fleet=HEAD + variables, groups__g="stats: {about: {site: '${b}'}}", nodes__a="variables: {c: y}")
    assert [f"{problem.line}:{problem.column} {problem.message}" for problem in made.unused()] == [
        "3:13 the variable `a` is used nowhere",
        "3:50 the variable `c` is used nowhere",
    ]
