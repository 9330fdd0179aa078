"""The ``signers`` of a file that says what to pull: whose signatures count, and for which paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, model_validator

from intent.display import quoted
from intent.field_types import Text, wrong
from intent.fields import Path
from intent.validation import Model
from reconciler.core.signers import Signer, SigningPolicy, wrong_pattern


def _parse_name(text: str) -> str:
    if not text.strip() or len(text) > 100 or not text.isprintable():
        wrong("must be a name of 1 to 100 characters")
    return text.strip()


def _parse_ssh_key(text: str) -> str:
    from reconciler.backends.git_signatures import ssh_key

    try:
        return " ".join(ssh_key(text))
    except ValueError as exc:
        # The text is not repeated: it may be a private key.
        wrong(str(exc))


def _parse_pattern(text: str) -> str:
    problem = wrong_pattern(text)
    if problem is not None:
        wrong(f"{problem}, not {quoted(text)}", "such as `rendered/berlin-7.yaml`, `rendered/berlin-*.yaml` or `**`")
    return text


class SignerSettings(Model):
    """Somebody whose signature counts."""

    words = "a signer"

    name: Annotated[str, Text(_parse_name)] = Field(
        description="By what name the status and the history tell of this signer.", examples=["Ada"]
    )
    ssh: Annotated[str, Text(_parse_ssh_key)] | None = Field(
        default=None,
        description="The signer's SSH public key, as in a file that ends in .pub.",
        examples=["ssh-ed25519 AAAA…"],
    )
    openpgp: Path | None = Field(
        default=None,
        description="The absolute path of a file with the signer's OpenPGP public key, as `gpg --export` writes it.",
        examples=["/etc/stellwerk/signers/ada.asc"],
    )
    paths: tuple[Annotated[str, Text(_parse_pattern)], ...] = Field(
        min_length=1,
        description="Which paths of the repository the signature counts for: `**` stands for any folders, `*` for any "
        "part of a name; case counts.",
        examples=[["rendered/berlin-7.yaml"]],
    )

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.ssh is None) == (self.openpgp is None):
            wrong("must have one of `ssh` and `openpgp`", "a signer with two keys stands there twice")
        return self

    def signer(self) -> Signer:
        """Return the signer."""
        return Signer(self.name, self.paths, self.ssh, self.openpgp)


def policy(settings: Iterable[SignerSettings]) -> SigningPolicy:
    """Return what the signers of a file come to."""
    return SigningPolicy(tuple(one.signer() for one in settings))
