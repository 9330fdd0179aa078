"""Patterns of paths, and the signers of a configuration file."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.core.signers import Signer, matches, wrong_pattern
from reconciler.services.signer_settings import SignerSettings, policy

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJh6tCAPFVBkAuYM9VBPm6lpjlD4BKoW27VGfbVfFfF ada@laptop"


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("**", ".hidden/x", True),
        ("groups/**", "groups/berlin.yaml", True),
        ("groups/**", "groups/a/b", True),
        ("groups/**", "groups", False),
        ("groups/**", "groups-of-mine/x", False),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("a/**/x", "a/x", True),
        ("a/**/x", "ab/x", False),
        ("rendered/berlin-7.yaml", "rendered/berlin-7.yaml", True),
        ("rendered/berlin-7.yaml", "rendered/berlin-77yaml", False),
        ("rendered/berlin-7.yaml", "rendered/berlin-7.yaml/x", False),
        ("rendered/berlin-7.yaml", "a/rendered/berlin-7.yaml", False),
        ("rendered/berlin-*.yaml", "rendered/berlin-7.yaml", True),
        ("rendered/berlin-*.yaml", "rendered/berlin-.yaml", True),
        ("rendered/berlin-*.yaml", "rendered/berlin-a/b.yaml", False),
        ("rendered/berlin-*.yaml", "rendered/Berlin-7.yaml", False),
        ("**", "../x", False),
        ("**", "a/../x", False),
        ("**", "/a", False),
        ("**", "a\nb", False),
        ("rendered/*", "rendered/..", False),
    ],
)
def test_patterns(pattern: str, path: str, found: bool) -> None:
    assert wrong_pattern(pattern) is None
    assert matches(pattern, path) is found
    assert Signer("Ada", (pattern,)).may_sign(path) is found


@pytest.mark.parametrize("pattern", ["", "/a", "a/", "a//b", "../a", "./a", "a**", "**a", "***", "a?", "[a]", "{a,b}"])
def test_a_wrong_pattern_matches_nothing(pattern: str) -> None:
    assert wrong_pattern(pattern) is not None
    assert not matches(pattern, "a")
    assert not matches(pattern, pattern)


def test_signers_of_a_file() -> None:
    one = SignerSettings.model_validate({"name": "Ada", "ssh": KEY, "paths": ("rendered/*",)})
    two = SignerSettings.model_validate({"name": "Ada", "openpgp": "/k.asc", "paths": ("**",)})
    found = policy((one, two))
    assert found.signers[0].ssh == KEY.rpartition(" ")[0]
    assert found.names("rendered/x") == ("Ada",)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "one of `ssh` and `openpgp`"),
        ({"ssh": KEY, "openpgp": "/k"}, "one of `ssh` and `openpgp`"),
        ({"ssh": "ssh-ed25519 c2VjcmV0"}, "damaged"),
        ({"ssh": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "no SSH public key"),
        ({"ssh": KEY, "paths": ("a?",)}, "not `\\?`"),
        ({"ssh": KEY, "paths": ()}, "at least 1"),
    ],
)
def test_wrong_signers(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SignerSettings.model_validate({"name": "Ada", "paths": ("**",), **fields})
