"""The reference of the node file is that of the models."""

from docs import node_file
from intent.features import features


def test_it_is_current() -> None:
    assert node_file.FILE.read_text() == node_file.text(), "write it anew with `python -m docs.node_file`"


def test_every_feature_is_in_it() -> None:
    text = node_file.text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for name, feature in features().items():
        row = next(row for row in rows if row.startswith(f"| `{name}` |"))
        assert feature.description in row
        # One that is a single value has no fields to tell of.
        assert f"\n## `{name}`\n\n{feature.description}\n" in text or "[" not in row
