"""A feature is one module: nothing else has to know it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from intent import features, schema
from intent.expansion import expand
from intent.loading import loads
from intent.problems import IntentError
from tests.pure.intent.conftest import resolved

MODULE = '''
from pydantic import Field
from intent.feature import Feature, Finding, Holding
from intent.fields import Port
from intent.resources.sysctl import Sysctl
from intent.validation import Model

class Lamp(Model):
    """A lamp."""
    words = "a lamp"
    port: Port = Field(description="The port of the lamp.")

FEATURE = Feature(
    name="lamp",
    model=Lamp,
    description="A lamp on a port.",
    needs=("mesh",),
    holds=lambda lamp, node: [Holding(("port",), "UDP port", lamp.port)],
    check=lambda lamp, node: [Finding(("port",), "too bright")] if lamp.port == 1 else [],
    expand=lambda lamp, node, references: [Sysctl(name="lamp", value=str(lamp.port))],
)
'''


@pytest.fixture
def _lamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "lamp.py").write_text(MODULE)
    monkeypatch.setattr(features, "__path__", [*features.__path__, str(tmp_path)])
    features.features.cache_clear()
    yield
    features.features.cache_clear()


@pytest.mark.usefixtures("_lamp")
def test_a_module_is_all_that_a_feature_takes() -> None:
    node = loads(b"version: 1\nnode: x\nmesh: {}\nlamp: {port: 7}\n", "f")
    assert "sysctl lamp = 7" in [resource.describe() for resource in expand(node, resolved(node))]
    assert schema.node_schema()["properties"]["lamp"]["description"] == "A lamp on a port."
    assert schema.node_schema()["dependentRequired"]["lamp"] == ["mesh"]


@pytest.mark.usefixtures("_lamp")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lamp: {port: 7}", "f:3:1: `lamp` needs `mesh`, which this file does not have"),
        ("mesh: {}\nlamp: {prot: 7}", "f:4:8: `prot` is not a field of a lamp"),
        ("mesh: {}\nlamp: {port: 6696}", "f:4:14: UDP port 6696 is already taken by `mesh` in line 3"),
        ("mesh: {}\nlamp: {port: 1}", "f:4:14: too bright"),
        ("mesh: {}\nlapm: {port: 7}", "f:4:1: `lapm` is not a field of a node file"),
    ],
)
def test_its_errors_are_those_of_every_feature(text: str, said: str) -> None:
    with pytest.raises(IntentError) as caught:
        loads(f"version: 1\nnode: x\n{text}\n".encode(), "f")
    assert str(caught.value).startswith(said)
