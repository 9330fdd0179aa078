"""What the tests of the node file share: both YAML parsers, and references resolved without a machine."""

from hashlib import sha256
from ipaddress import IPv6Network
from typing import Any

import pytest

from intent import yaml_events
from intent.delegation import cut
from intent.document import Node
from intent.expansion import references
from intent.fitness import Carrier, CheckedHealth, Drained, Health, LinkCarrier
from intent.references import (
    AdvertisedUplinks,
    DelegatedPrefix,
    HostAddress,
    KernelLinkKind,
    PresharedKeyFile,
    PrivateKeyFile,
    References,
    ResolvedKey,
)
from intent.refusals import DrawingRoutes
from intent.secrets import PresharedKey, PrivateKey
from intent.uplinks import UplinkAddresses

C_PARSER = yaml_events.CParser


@pytest.fixture(params=["C", "Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with the parser in C, and again as where only the one in Python is installed."""
    assert C_PARSER is not None, "the C parser belongs to the locked dependencies"
    if request.param == "Python":
        monkeypatch.setattr(yaml_events, "CParser", None)
    return str(request.param)


def private_key(path: str) -> PrivateKey:
    """Return the key that the tests find in a file: one for each path."""
    return PrivateKey(sha256(path.encode()).digest())


def resolved(node: Node, *, kernel: bool = True, generated: bool = False) -> References:
    """Return values for all that a node refers to; names that end in ``.invalid`` have no address."""
    values: dict[Any, Any] = {}
    for reference in references(node):
        match reference:
            case PrivateKeyFile():
                values[reference] = ResolvedKey(private_key(reference.path), generated and reference.generate)
            case PresharedKeyFile():
                values[reference] = PresharedKey(sha256(reference.path.encode()).digest())
            case HostAddress():
                values[reference] = () if reference.name.endswith(".invalid") else ("2001:db8:fe::1", "192.0.2.254")
            case KernelLinkKind():
                values[reference] = kernel
            case DelegatedPrefix():
                values[reference] = cut(IPv6Network("2001:db8:de00::/48"), reference.length, reference.subnet)
            case AdvertisedUplinks() | UplinkAddresses():
                values[reference] = ()
            case Drained():
                values[reference] = None
            case LinkCarrier():
                values[reference] = Carrier.READY
            case CheckedHealth():
                values[reference] = Health(fit=True)
            case DrawingRoutes():
                values[reference] = ()
    return References(values)
