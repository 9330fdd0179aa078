"""No way to print anything of WireGuard shows a private or a preshared key."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from intent.references import PresharedKeyFile, PrivateKeyFile
from intent.resources import wireguard_netlink, wireguard_uapi
from intent.resources.netlink import NetlinkRequest
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import (
    DeviceFacts,
    NetlinkDeviceRow,
    NetlinkPeerRow,
    PeerFacts,
    PortRow,
    UapiDeviceRow,
    UapiPeerRow,
)
from intent.secrets import PresharedKey, PrivateKey
from reconciler.backends.key_references import KeyFiles
from reconciler.backends.netlink_socket import Message
from reconciler.backends.wireguard_errors import about, not_there, of_each, port_taken
from reconciler.core.backend import Dump
from reconciler.core.errors import BackendError, DeniedError, RejectedError, StaleError

KEY, PSK = PrivateKey(os.urandom(32)), PresharedKey(os.urandom(32))
PUBLIC = key_text(KEY.public)
LINK = "wg-mesh"


def silent(text: str) -> None:
    for secret in (KEY.reveal(), PSK.reveal()):
        for spelled in (key_text(secret), secret.hex(), repr(secret)[2:-1], repr(list(secret))[1:-1]):
            assert spelled not in text


DEVICE = WireGuardDevice(link=LINK, private_key=KEY, fwmark=1, key_file="/k")
PEER = WireGuardPeer(link=LINK, public_key=PUBLIC, preshared_key=PSK)
OTHER_DEVICE = WireGuardDevice(link=LINK, private_key=PrivateKey(bytes(32)))
(SET_DEVICE,), (SET_PEER,) = DEVICE.create(), PEER.create()
assert isinstance(SET_DEVICE, SetDevice)
assert isinstance(SET_PEER, SetPeer)
UAPI_DEVICE = UapiDeviceRow(LINK, wireguard_uapi.set_device(SET_DEVICE))
THINGS: list[object] = [
    DEVICE,
    PEER,
    SET_DEVICE,
    SET_PEER,
    DEVICE.changes(OTHER_DEVICE),
    OTHER_DEVICE.changes(DEVICE),
    PEER.changes(WireGuardPeer(link=LINK, public_key=PUBLIC)),
    DEVICE.key,
    wireguard_netlink.device_message(SET_DEVICE),
    wireguard_netlink.peer_messages(LINK, [SET_PEER]),
    Message(28, 0, KEY.reveal() + PSK.reveal()),
    NetlinkRequest(28, 0, (KEY.reveal(),), "a link"),
    UAPI_DEVICE,
    UapiPeerRow(LINK, wireguard_uapi.set_peers([SET_PEER])),
    PortRow(UAPI_DEVICE),
    NetlinkDeviceRow(LINK, KEY.reveal()),
    NetlinkPeerRow(LINK, (PSK.reveal(),)),
    Dump([UAPI_DEVICE, NetlinkPeerRow(LINK, (PSK.reveal(),))]),
    DeviceFacts(KEY.reveal(), 1, 1),
    PeerFacts(KEY.public, PSK.reveal(), None, (), 0, 0),
    *(about(request) for request in (SET_DEVICE, SET_PEER)),
    *(not_there(request) for request in (SET_DEVICE, SET_PEER)),
    *of_each([SET_DEVICE, SET_PEER], StaleError("gone")),
    port_taken(SET_DEVICE),
]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_it_does_not_print_its_secret(thing: object) -> None:
    silent(repr(thing))
    silent(str(thing))
    silent(f"{thing}")


def test_what_people_see_is_the_public_half() -> None:
    assert PUBLIC in DEVICE.describe()
    assert DEVICE.show("private_key") == f"public key {PUBLIC}"
    for resource in (DEVICE, PEER):
        silent(resource.describe())
        silent(" ".join(resource.show(field) for field in resource.compared))


@pytest.mark.parametrize("kind", [PrivateKeyFile, PresharedKeyFile])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        KEY.reveal(),
        KEY.reveal().hex().encode(),
        key_text(KEY.reveal())[:-3].encode(),
        b"PrivateKey = %s",
        b"\xff" * 9,
    ],
    ids=["empty", "raw", "hexadecimal", "cut", "a line of wg-quick", "no ASCII"],
)
def test_a_malformed_key_file_is_named_and_not_quoted(tmp_path: Path, kind: type, content: bytes) -> None:
    content = content.replace(b"%s", key_text(KEY.reveal()).encode())
    path = tmp_path / "key"
    path.write_bytes(content)
    reference = PrivateKeyFile(str(path), generate=True) if kind is PrivateKeyFile else PresharedKeyFile(str(path))
    with pytest.raises(RejectedError, match="no WireGuard key") as caught:
        KeyFiles().resolve(reference)
    assert str(path) in str(caught.value)
    whole = "".join(traceback.format_exception(caught.value))
    silent(whole)
    if len(content) > 8:
        assert repr(content)[2:-1] not in whole


def test_a_key_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(key_text(KEY.reveal()) + "\n")
    path.chmod(0o600)
    resolution = KeyFiles().resolve(PrivateKeyFile(str(path), generate=False))
    assert (resolution.value.key, resolution.value.generated, resolution.notes) == (KEY, False, ())
    silent(repr(resolution))
    assert KeyFiles().resolve(PresharedKeyFile(str(path))).value == PresharedKey(KEY.reveal())


def test_a_key_file_that_others_can_read_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(key_text(KEY.reveal()))
    path.chmod(0o644)
    (note,) = KeyFiles().resolve(PrivateKeyFile(str(path), generate=False)).notes
    assert note == f"{path}: others can read this key file; `chmod 600` it"


def test_a_missing_key_is_made_in_memory_where_that_is_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "keys" / "wg")
    first, second = (KeyFiles().resolve(PrivateKeyFile(path, generate=True)).value for _ in range(2))
    assert first.generated
    assert first.key != second.key
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reference", "advice"),
    [(PrivateKeyFile("/nowhere/key", generate=False), "wg genkey"), (PresharedKeyFile("/nowhere/psk"), "wg genpsk")],
)
def test_a_missing_key_is_an_error_that_says_what_to_do(
    reference: PrivateKeyFile | PresharedKeyFile, advice: str
) -> None:
    with pytest.raises(RejectedError, match=f"{reference.path}.*{advice}"):
        KeyFiles().resolve(reference)


def test_what_is_no_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(BackendError, match=r"regular file|cannot be read") as caught:
            KeyFiles().resolve(PrivateKeyFile(str(path), generate=True))
        assert not isinstance(caught.value, DeniedError)


def test_an_all_zero_preshared_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "psk"
    path.write_text(key_text(bytes(32)))
    with pytest.raises(RejectedError, match="all zero"):
        KeyFiles().resolve(PresharedKeyFile(str(path)))
