"""What could not be seen is told, and never taken for what is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from intent.references import PrivateKeyFile
from intent.resources.wireguard_requests import SetPeer
from reconciler.backends.references import Resolution
from reconciler.core.errors import DeniedError
from tests.pure.audit.conftest import EXAMPLE, Auditor
from tests.pure.docs.conftest import Keys


@pytest.mark.parametrize("table", ["wireguard", "babel", "rule", "route", "sysctl", "file", "key file"])
def test_a_table_that_is_hidden(auditor: Auditor, table: str) -> None:
    auditor.apply()
    auditor.node.hide(table, DeniedError("rights are missing"))
    audit = auditor.live()
    assert (audit.code, audit.nodes[0]["state"]) == (1, "unknown")
    assert any("rights are missing" in one for one in audit.nodes[0]["unseen"])
    assert audit.rules() == set()


def test_keys_that_may_not_be_read(auditor: Auditor, monkeypatch: pytest.MonkeyPatch) -> None:
    auditor.apply()
    with monkeypatch.context() as patched:
        patched.setattr(Keys, "resolve", _denied)
        audit = auditor.live()
        auditor.switch_forwarding_off()
        worse = auditor.live()
    assert audit.code == 1
    assert any("/etc/stellwerk/keys/links" in one for one in audit.nodes[0]["unseen"])
    assert audit.rules() == set()
    assert [one["works"] for one in audit.nodes[0]["links"]] == [None]
    # What does not hang on a key is compared all the same.
    assert worse.rules() == {"forwarding-off"}


def _denied(keys: Keys, reference: PrivateKeyFile) -> Resolution:
    raise DeniedError(f"{reference.path}: this key file may not be read; run it as the file's owner or as root")


def test_what_nobody_has_looked_at(auditor: Auditor, write: Callable[[str], Path]) -> None:
    auditor.apply()
    path = auditor.snapshot(EXAMPLE)
    other = write(EXAMPLE.read_text().replace("/run/babeld.sock", "/run/other.sock"))
    audit = auditor.audit(f"{other} --snapshot {path}")
    assert audit.code == 1
    assert any("nobody has looked" in one for one in audit.nodes[0]["unseen"])


def test_a_snapshot_without_a_document_has_what_everybody_can_see(auditor: Auditor) -> None:
    path = auditor.snapshot()
    assert '"kind":"ForeignLink"' in path.read_text()
    audit = auditor.audit(f"{EXAMPLE} --snapshot {path}")
    assert audit.code == 1


def test_a_snapshot_of_the_held_document_needs_no_file(auditor: Auditor) -> None:
    auditor.apply()
    auditor.send(SetPeer("wg-mesh", "hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU=", allowed_ips=("fd00::66/128",)))
    audit = auditor.audit(f"{EXAMPLE} --snapshot {auditor.snapshot()}")
    assert (audit.code, audit.rules()) == (2, {"unknown-peer"})
