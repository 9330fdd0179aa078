"""A daemon that opens keys leaves them in no file, no log and no answer; the node has them all the same."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from intent.age_text import inlined
from intent.resources.wireguard_names import key_bytes, key_text
from intent.secrets import PrivateKey
from reconciler.backends import age_files
from tests.pure.daemon.conftest import Stage, stage_in, wait_for
from tests.pure.secrets.conftest import KEY, Mine

OTHER = b"8BU1giso23adjCk93dnpLJnK788bRAtpZxs8d+Jo+Vg="
PEER = "hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="
SECRETS = {
    form: words
    for key in (KEY, OTHER)
    for value in (base64.b64decode(key), PrivateKey(base64.b64decode(key)).reveal())
    for form, words in {
        key.decode(): key,
        key_text(value): key_text(value).encode(),
        value.hex(): value.hex().encode(),
        repr(value): value,
    }.items()
}


def node_text(private_key: bytes, preshared_key: bytes) -> str:
    return f"""\
version: 1
node: roof-1
mesh: {{table: 10, interfaces: []}}
links:
  private_key: {{age: "{inlined(private_key)}"}}
  peers:
    - {{node: hamburg-3, public_key: "{PEER}", listen_port: 51901, preshared_key: {{age: "{inlined(preshared_key)}"}}}}
wireguard:
  - name: wg0
    private_key: {{age: "{inlined(private_key)}"}}
    listen_port: 51820
    peers:
      - {{public_key: "{PEER}", allowed_ips: ["::/0"], preshared_key: {{age: "{inlined(preshared_key)}"}}}}
  - name: wg1
    implementation: userspace
    private_key: {{age: "{inlined(preshared_key)}"}}
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = stage_in(tmp_path / "place", monkeypatch)
    yield made
    made.close()


def silent(content: bytes, where: str) -> None:
    for secret in SECRETS.values():
        assert secret not in content, f"a key is in {where}"


def test_keys_are_used_and_are_nowhere(mine: Mine, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    private, preshared = mine.encrypted(KEY), mine.encrypted(OTHER)
    stage.file.write_text(node_text(private, preshared))
    plan = stage.folder / "plan.json"
    said = [stage.cli(f"plan FILE --out {plan}")[1]]
    said.append(stage.cli("plan FILE --json")[1])
    assert plan.exists(), said
    stage.start()
    public = key_text(PrivateKey(key_bytes(KEY.decode())).public)
    wait_for(lambda: any(public in line for line in stage.node.describe()), "the key is on the node")
    for words in ("status", "status --json", "history", "history --json", "plan FILE", "apply FILE"):
        said.append(stage.cli(words)[1])
    # Somebody takes another key, and one that is for somebody else: the plan and the error say no more.
    stage.file.write_text(node_text(preshared, private))
    said += [stage.cli("plan FILE")[1], stage.cli("apply FILE --confirm 60s")[1], stage.cli("status --json")[1]]
    stage.file.write_text(node_text(age_files.encrypt(KEY, [age_files.new_identity()[1]]), preshared))
    said.append(stage.cli("plan FILE")[1])
    assert "encrypted for somebody else" in said[-1]
    said.append(stage.cli("rollback")[1])
    stage.running[0].stop()
    for text in (*said, caplog.text):
        silent(text.encode(), text)
    files = [path for path in stage.folder.parent.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        silent(path.read_bytes(), str(path))
