"""Long lists of texts are read as if the parser had seen every line."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from intent import loading, runs, yaml_events
from intent.loading import EXACT_CHARACTERS, loads, parse
from intent.problems import IntentError
from intent.reading import decode
from intent.tree import Mapping, Scalar, Sequence, Tree, follow
from tests.pure.intent.conftest import C_PARSER

HEAD = ["version: 1", "node: berlin-7"]
ITEMS = [f'      - "2001:db8:{number:x}::/48"' for number in range(1, 12)]
PLAIN = [f"      - fd00:{number:x}::/32 # customer {number}" for number in range(1, 9)]
SINGLE = [f"      - 'fd01:{number:x}::/32'" for number in range(1, 9)]
ROUTES = ["routes:", "  - from:", *ITEMS, "    via: {interface: wan}", "  - to:", *PLAIN, "    kind: unreachable"]
BASES = [
    [*HEAD, *ROUTES],
    [*HEAD, *ROUTES, "  - to:", *PLAIN, *SINGLE, *ITEMS, "    kind: throw", "    metric: 1"],
    [*HEAD, "mesh:", "  prefixes: &p", *(line[4:] for line in PLAIN), "  uplinks: *p"],
    [*HEAD, "routes:", "- to:", *(line[4:] for line in ITEMS), "  kind: throw", "- *p"],
    [*HEAD, "wireguard:", "- private_key:", *ITEMS, "  name: wg0"],
    [*HEAD, "routes:", "  - to: text", *ITEMS, "  - to: |", *ITEMS, "  - to: '", *SINGLE, '  - to: "', *ITEMS],
    [*HEAD, "routes:", "  - [", *ITEMS, "  ]", "  - ? - x", *ITEMS, "    : y", "  - - a", *ITEMS],
    ['- "a"', '- "b"', '- "c"', '- "d"'],
]
LINES = [
    *("", "  ", "# comment", "      # comment", '      # - "2001:db8::/32"', "---", "...", "%YAML 1.2", "routes:"),
    *('    - "2001:db8::/32"', '        - "2001:db8::/32"', '      - - "2001:db8::/32"', '      -  "2001:db8::/32"'),
    *('      - "2001:db8::/32" # c', '      - "2001:db8::/32"#c', '      - "2001:db8::/32": x', '      - "\\x41"'),
    *(
        "      - 'it''s'",
        '      - "two',
        '        lines"',
        "      - &a x",
        '      - &a "x"',
        '      - !t "x"',
        "      - *a",
    ),
    *(
        "      -",
        "      - ",
        "      - ~",
        "      - 12",
        "      - fd00::/8",
        "      - 1:2/3",
        "      - [x]",
        "      - {x: y}",
    ),
    *("        x", "    via: {interface: wan}", "      - ''", '      - ""', "\t", "      - \t", '      - "é" # ü'),
    *(
        "  - from:",
        "    from: &x",
        "    private_key:",
        "      psk:",
        "      - ? x",
        "      : y",
        "      - |",
        "      - >",
    ),
]


@pytest.fixture(autouse=True)
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "FEWEST", 2)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file with runs, some lines of which are left out, doubled, moved, or spoilt."""
    lines = list(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        edit = draw(st.integers(0, 6))
        if edit == 0 and len(lines) > 1:
            del lines[at]
        elif edit == 1:
            lines.insert(at, draw(st.sampled_from([*LINES, *ITEMS, *PLAIN])))
        elif edit == 2:
            lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
        elif edit == 3:
            column = draw(st.integers(0, len(lines[at])))
            mark = draw(
                st.sampled_from(['"', "'", " ", ":", "#", "-", "\\", "]", "{", "&a ", "\r", "x", "\u2028", "😀"])
            )
            lines[at] = lines[at][:column] + mark + lines[at][column:]
        elif edit == 4:
            start, end = sorted((draw(st.integers(0, len(lines[at]))), draw(st.integers(0, len(lines[at])))))
            lines[at] = lines[at][:start] + lines[at][end:]
        elif edit == 5:
            lines[at] = draw(st.sampled_from(LINES))
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return str(newline.join(lines) + draw(st.sampled_from(["", newline])))


def places(tree: Tree | None) -> Iterator[Any]:
    """Yield all that a tree holds, with its places."""
    if isinstance(tree, Scalar):
        yield tree.line, tree.column, tree.value
    elif isinstance(tree, Sequence):
        yield tree.line, tree.column, len(tree)
        for index in range(len(tree)):
            yield from places(tree.item(index))
    elif isinstance(tree, Mapping):
        yield tree.line, tree.column, tree.incomplete
        for key, entry in tree.entries.items():
            yield key, entry.line, entry.column
            yield from places(entry.value)


def reading(data: bytes) -> object:
    """Return the tree of a text and what is said about it as a node file."""
    try:
        tree, report = parse(decode(data, "f"))
        found: object = [list(places(tree)), str(report.error()) if report else ""]
    except IntentError as error:
        found = str(error)
    try:
        return found, repr(loads(data, "f"))
    except IntentError as error:
        return found, str(error)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts())
@example("\n".join([*HEAD, "routes:", "- from:", *ITEMS]))
@example("\n".join([*HEAD, "routes:", "- from:", *PLAIN, "        and more", *PLAIN]))
def test_a_text_with_runs_is_read_as_without_them(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for parser in (C_PARSER, None):
        monkeypatch.setattr(yaml_events, "CParser", parser)
        monkeypatch.setattr(loading, "fold", runs.fold)
        folded = reading(text.encode())
        monkeypatch.setattr(loading, "fold", lambda text: (text, ()))
        assert folded == reading(text.encode())


def test_the_parser_sees_only_the_ends_of_a_run() -> None:
    text = "\n".join([*HEAD, *ROUTES, ""])
    folded, found = runs.fold(text)
    assert [(run.line, run.last_line, len(run.texts), run.style) for run in found] == [
        (5, 15, 11, '"'),
        (18, 25, 8, ""),
    ]
    lines = folded.splitlines()
    assert len(lines) == len(text.splitlines())
    assert lines[4:15] == [ITEMS[0], *[""] * 9, ITEMS[-1]]


def test_a_run_is_one_part_of_its_list(parser: str) -> None:
    tree, _ = parse(decode("\n".join([*HEAD, *ROUTES, ""]).encode(), "f"))
    assert isinstance(tree, Mapping)
    sources = follow(tree, ("routes", 0, "from"))
    assert isinstance(sources, Sequence)
    assert (len(sources.parts), len(sources)) == (1, len(ITEMS))


def test_comments_and_empty_lines_do_not_end_a_run() -> None:
    lines = [ITEMS[0], "", "# the north", ITEMS[1], '      # - "2001:db8:ffff::/48"', ITEMS[2], "    ", "# end", "x: y"]
    _, (run,) = runs.fold("\n".join(lines))
    assert run.texts == ["2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48"]
    assert [run.line_of(index) for index in range(3)] == [1, 4, 6]
    assert (run.line, run.last_line, run.column) == (1, 6, 9)


@pytest.mark.parametrize("count", [10, 9000])
@pytest.mark.parametrize("via", ["{interface: wan, gateway: fe80::1}", '{interface: wan, gateway: "fe80::1"}'])
def test_what_is_right_in_a_small_file_is_right_in_a_large_one(count: int, via: str) -> None:
    lines = "".join(f'      - "2001:db8:0:{number:x}::/64"\n' for number in range(1, count + 1))
    text = f"version: 1\nnode: one\nroutes:\n  - from:\n{lines}    via: {via}\n"
    assert count < 100 or len(text) > EXACT_CHARACTERS
    assert loads(text, "node.yaml").name == "one"
