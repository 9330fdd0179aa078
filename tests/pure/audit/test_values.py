"""What is told of objects and references comes back as it was, and nothing that is told is a secret."""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.references import AgePrivateKey, PrivateKeyFile, Reference
from intent.resources import kinds
from intent.resources.file import File, marked
from intent.resources.resource import Resource
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_peer import WireGuardPeer
from intent.secrets import PresharedKey, PrivateKey, Secret
from reconciler.backends.references import Resolvers
from reconciler.core.snapshot_values import MisfitError, form
from reconciler.services.snapshot_references import spelled

KINDS = [kind for members in kinds().values() for kind in members]
for secret in (PrivateKey, PresharedKey):
    st.register_type_strategy(secret, st.binary(min_size=32, max_size=32).map(secret))
st.register_type_strategy(Secret, st.binary(max_size=40).map(Secret))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def there_and_back(kind: Any, value: Any) -> Any:
    """Return what comes back of a value."""
    return form(kind).read(json.loads(json.dumps(form(kind).tell(value))))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_objects_come_back(kind: type[Resource], data: st.DataObject) -> None:
    one = data.draw(st.from_type(kind))
    back = there_and_back(kind, one)
    assert back == one
    assert all(getattr(back, field.name) == getattr(one, field.name) for field in fields(kind))  # type: ignore[arg-type]


@given(value=st.binary(min_size=32, max_size=32))
@settings(max_examples=25, deadline=None)
def test_a_secret_is_not_told_and_equals_itself(value: bytes) -> None:
    device = WireGuardDevice(link="wg0", private_key=PrivateKey(value))
    peer = WireGuardPeer(link="wg0", public_key="x", preshared_key=PresharedKey(value))
    text = json.dumps([form(type(one)).tell(one) for one in (device, peer)])
    assert base64.b64encode(value).decode() not in text
    assert value.hex() not in text
    other = bytes([value[0] ^ 8, *value[1:]])
    assert not device.changes(there_and_back(WireGuardDevice, device))
    assert not peer.changes(there_and_back(WireGuardPeer, peer))
    assert WireGuardDevice(link="wg0", private_key=PrivateKey(other)).changes(there_and_back(WireGuardDevice, device))
    changed = WireGuardPeer(link="wg0", public_key="x", preshared_key=PresharedKey(other))
    assert changed.changes(there_and_back(WireGuardPeer, peer))


def test_a_file_of_ours_equals_what_was_written_and_one_of_others_is_not_told() -> None:
    ours = File("/etc/x", Secret(marked("a")))
    assert not File("/etc/x", marked("a")).changes(there_and_back(File, ours.told()))
    assert File("/etc/x", marked("b")).changes(there_and_back(File, ours.told()))
    others = [File("/etc/x", Secret(content)).told() for content in (b"password", b"secret")]
    assert form(File).tell(others[0]) == form(File).tell(others[1])
    assert File("/etc/x", marked("a")).changes(there_and_back(File, others[0]))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "must be an object"),
        ({"link": "wg0"}, "private_key is missing"),
        ({"link": 1, "private_key": {"public_key": ""}}, "link"),
        ({"link": "wg0", "private_key": {"public_key": "AAAA"}}, "32 bytes"),
        ({"link": "wg0", "private_key": {"public_key": "ä"}}, "base64"),
        ({"link": "wg0", "private_key": "AAAA"}, "must be an object with public_key"),
        ({"link": "wg0", "private_key": {"public_key": "A" * 43 + "="}, "mtu": 1}, "not a field"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(told: Any, said: str) -> None:
    with pytest.raises(MisfitError) as caught:
        form(WireGuardDevice).read(told)
    assert said in f"{caught.value.path} {caught.value.message}"


def test_the_values_of_all_references_can_be_told() -> None:
    Resolvers()
    hints = {kind: get_args(base)[0] for kind in Reference.__subclasses__() for base in kind.__orig_bases__}  # type: ignore[attr-defined]
    assert {AgePrivateKey, PrivateKeyFile} <= hints.keys()
    for kind, hint in hints.items():
        assert form(hint), kind


def test_a_reference_to_what_is_encrypted_is_told_by_a_digest() -> None:
    assert "c2VjcmV0" not in spelled(AgePrivateKey("c2VjcmV0"))
    assert spelled(AgePrivateKey("c2VjcmV0")) != spelled(AgePrivateKey("b3RoZXI="))
    assert spelled(PrivateKeyFile("/a", generate=True)) != spelled(PrivateKeyFile("/b", generate=True))
