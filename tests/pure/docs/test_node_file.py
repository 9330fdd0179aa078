"""The reference of the node file is that of the models."""

from docs import node_file
from intent.features import features


def test_it_is_current() -> None:
    assert node_file.FILE.read_text() == node_file.text(), "write it anew with `python -m docs.node_file`"


def test_every_feature_is_in_it() -> None:
    text = node_file.text()
    assert all(f"\n## `{name}`\n\n{feature.description}\n" in text for name, feature in features().items())
