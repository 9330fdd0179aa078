"""Whatever a file holds: a node or an `IntentError` whose problems have a place in it; both parsers alike."""

import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from intent import yaml_events
from intent.loading import loads
from intent.problems import IntentError
from tests.pure.intent.conftest import C_PARSER

EXAMPLES = [path.read_text() for path in sorted(Path(__file__).parents[3].glob("examples/*.yaml"))]
LINES = sorted({line for text in EXAMPLES for line in text.splitlines()})
WORDS = ["a: ", "- ", "? ", ": ", ", ", "[", "]", "{", "}", "&x ", "*x", "!t ", "'", '"', "|", ">", "\n", "\n  ", "# "]
WORDS += [
    "1",
    "true",
    "~",
    "<<: ",
    "---\n",
    "...",
    "é",
    "日",
    "@",
    "%",
    "\\",
    "\r\n",
    "\t",
    "mesh: ",
    "name: ",
    "x: y\n",
]
WORDS += ["private_key: ", "{file: ", "/etc/k", "exit:\n  ", "prefixes: ", "fd00::/8", "\ufeff", "\0", "\ud800", "-"]
SECRET = "Zq7vKp3xW"


@st.composite
def edited_examples(draw: st.DrawFn) -> str:
    """An example with some lines left out, doubled, moved, indented otherwise, or spoilt."""
    lines = draw(st.sampled_from(EXAMPLES)).splitlines()
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        edit = draw(st.integers(0, 5))
        if edit == 0 and len(lines) > 1:
            del lines[at]
        elif edit == 1:
            lines.insert(at, draw(st.sampled_from(LINES)))
        elif edit == 2:
            lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
        elif edit == 3:
            column = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:column] + draw(st.sampled_from(WORDS)) + lines[at][column:]
        elif edit == 4:
            start, end = sorted((draw(st.integers(0, len(lines[at]))), draw(st.integers(0, len(lines[at])))))
            lines[at] = lines[at][:start] + lines[at][end:]
        else:
            lines[at] = lines[at].replace(
                draw(st.sampled_from([": ", '"', "{", "-", "0"])), draw(st.sampled_from(WORDS))
            )
    return "\n".join(lines)


texts = st.one_of(edited_examples(), st.lists(st.sampled_from([*WORDS, *LINES]), max_size=25).map("".join), st.text())


def outcome(data: bytes, parser: object) -> str:
    """Return what comes of a file, after checking that it is fit to be shown."""
    yaml_events.CParser = parser
    try:
        return repr(loads(data, "f"))
    except IntentError as error:
        check(error, data)
        return str(error)
    finally:
        yaml_events.CParser = C_PARSER


def check(error: IntentError, data: bytes) -> None:
    """Check that every problem has words, can be shown, and stands in the file."""
    assert error.problems
    lines = re.split("\r\n|\r|\n", data.decode(errors="replace").removeprefix("\ufeff"))
    for problem in error.problems:
        assert problem.message
        assert all(line.isprintable() for line in str(problem).splitlines()), str(problem)
        assert problem.line <= len(lines)
        if problem.line:
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 2


@settings(max_examples=400, deadline=None)
@given(texts)
@example("mesh: {prefixes: [fd00::, x]}\n")
@example("%YAML 1.2\n---\n")
@example('a: "\\uD800"\n')
@example("&a: b\n*a: c\n")
@example("a: |#\n")
def test_both_parsers_read_the_same(text: str) -> None:
    data = text.encode(errors="surrogatepass")
    by_c, by_python = outcome(data, C_PARSER), outcome(data, None)
    if by_c.startswith("Node(") or by_python.startswith("Node("):
        assert by_c == by_python


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_are_too_much(data: bytes) -> None:
    outcome(data, C_PARSER)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_key_in_the_file_is_never_shown(data: st.DataObject) -> None:
    """A secret stands where a key file should be named, and everything around it may be broken."""
    key = data.draw(
        st.sampled_from(["private_key", "preshared_key", "private-key", "pirvate_key", "privatekey", "psk"])
    )
    written = data.draw(
        st.sampled_from([f"{key}: {SECRET}", f'{key}: "{SECRET}"', f"{key}: {{file: {SECRET}}}", f"{key}: [{SECRET}]"])
    )
    lines = ["version: 1", "node: x", "mesh: {}", "wireguard:", "  - name: wg0", f"    {written}", "    mtu: 1"]
    lines += [
        "    peers:",
        f"      - {{public_key: x, {written}, endpoint: y}}",
        "links:",
        f"  {written}",
        "  peers: []",
    ]
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        if SECRET in lines[at]:
            lines[at] += data.draw(st.sampled_from(["", " # x", " }", " ]", ": x", "\t", " \u202e", "\n  <<: {}"]))
        else:
            column = data.draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:column] + data.draw(st.sampled_from(WORDS)) + lines[at][column:]
    text = "\n".join(lines).encode(errors="surrogatepass")
    for parser in (C_PARSER, None):
        assert SECRET not in outcome(text, parser)
