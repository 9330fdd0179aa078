"""The parts of a Markdown document that tests look at: code blocks, links, tables, anchors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from docs.node_file import slug

ROOT = Path(__file__).parents[3]
DOCUMENTS = tuple(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]))
_BLOCK = re.compile(
    r"(?:^`(?P<name>[^`\n]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A block of code, and the name of the file that the line before it says it is."""

    language: str
    text: str
    name: str | None


def blocks(document: Path) -> list[Block]:
    """Return the blocks of code of a document."""
    found = _BLOCK.finditer(document.read_text())
    return [Block(match["language"], match["text"], match["name"]) for match in found]


def prose(document: Path) -> str:
    """Return a document without its blocks of code."""
    return _BLOCK.sub("", document.read_text())


def links(document: Path) -> list[str]:
    """Return where the links of a document lead."""
    return [match["target"] for match in _LINK.finditer(prose(document))]


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings."""
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)}


def rows(document: Path, heading: str) -> list[list[str]]:
    """Return the cells of the rows of the first table below a heading, without its head."""
    below = prose(document).partition(f"\n{heading}\n")[2]
    lines = [line for line in below.splitlines() if line.startswith("|") or line.startswith("#")]
    table = lines[: next((number for number, line in enumerate(lines) if line.startswith("#")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
