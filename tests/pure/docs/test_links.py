"""Every link of the documents leads somewhere, and every file that they name is there."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from tests.pure.docs.markdown import DOCUMENTS, ROOT, anchors, blocks, links, prose

OURS = re.compile(r"`((?:intent|reconciler|tests|docs|examples|schemas)/[\w./-]+)`")
PICTURES = sorted(ROOT.glob("docs/*.svg"))


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_links(document: Path) -> None:
    for link in links(document):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_files_that_are_named(document: Path) -> None:
    made = {block.name for block in blocks(document)}
    missing = [name for name in OURS.findall(prose(document)) if not (ROOT / name).exists() and name not in made]
    assert missing == []


@pytest.mark.parametrize("picture", PICTURES, ids=by_name)
def test_pictures_have_words_and_need_nothing_else(picture: Path) -> None:
    root = xml.parse(picture).getroot()
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert {"title", "desc"} <= names
    assert not names & {"image", "script", "foreignObject"}
    assert "prefers-color-scheme: dark" in picture.read_text()


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    assert sorted(links(folder / "README.md")) == sorted(path.name for path in folder.glob("0*.md"))
