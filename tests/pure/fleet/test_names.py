"""By what the items of lists are told apart: each feature's own models say it."""

from __future__ import annotations

from intent.features import features
from intent.fleet.merging import item_model, merge_key
from intent.validation import fields_of


def test_every_name_is_a_field_that_each_item_has() -> None:
    paths = [
        (name, *inside)
        for name in features()
        for inside in ((), ("peers",), ("interfaces",), ("prefixes",), (0, "peers"))
    ]
    named = {path: key for path in paths if (key := merge_key(path)) is not None}
    assert named == {
        ("addresses",): "interface",
        ("exit", "prefixes"): "prefix",
        ("gre",): "name",
        ("links", "peers"): "node",
        ("mesh", "interfaces"): "name",
        ("networks",): "prefix",
        ("wireguard",): "name",
        ("wireguard", 0, "peers"): "public_key",
    }
    for path, key in named.items():
        model = item_model(path)
        assert model is not None
        assert fields_of(model)[key].is_required()
