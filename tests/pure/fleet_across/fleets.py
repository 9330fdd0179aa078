"""Fleets in memory, and what is said of their nodes beside each other."""

from __future__ import annotations

import textwrap

from intent.fleet import across
from intent.fleet.repository import read_fleet_from
from intent.problems import Problem
from tests.intents import PUBLIC_KEYS

KEY = dict(zip("abcdefgh", PUBLIC_KEYS, strict=False))
HEAD = """\
version: 1
fleet: example
defaults:
  mesh: {}
  links: {private_key: {file: /etc/keys/links}}
"""


def public(name: str, key: str = "links", host: bool = True) -> str:
    """Return what is public of a node whose key is that of its letter."""
    at = f', host: "2001:db8::{name}"' if host else ""
    return f'public: {{keys: {{{key}: "{KEY[name]}"}}{at}}}\n'


def link(to: str, **fields: object) -> str:
    """Return the item of a link to a node, reached at the usual port, with other fields; ``None`` leaves one out."""
    usual: dict[str, object] = {
        "node": to,
        "public_key": f'"{KEY[to]}"',
        "endpoint": f'"[2001:db8::{to}]:51901"',
        "listen_port": 51901,
    }
    return ", ".join(f"{name}: {value}" for name, value in {**usual, **fields}.items() if value is not None)


def node(name: str, *links: str, more: str = "") -> str:
    """Return a node's own file with some links, each an item in braces."""
    peers = ", ".join(f"{{{one}}}" for one in links)
    return f"{public(name)}{textwrap.dedent(more)}links: {{peers: [{peers}]}}\n"


def said(fleet: str = "", **nodes: str) -> list[str]:
    """Return what is said of a fleet: its file below `HEAD`, and the own files of its nodes."""
    return [str(problem) for problem in problems(fleet, **nodes)]


def problems(fleet: str = "", **nodes: str) -> list[Problem]:
    """Return the problems of a fleet, in the order of the files."""
    files = {"fleet.yaml": HEAD + textwrap.dedent(fleet)}
    files |= {f"nodes/{name}.yaml": textwrap.dedent(text) for name, text in nodes.items()}
    whole = read_fleet_from({name: text.encode() for name, text in files.items()}, "")
    kept = {name: across.to_json(across.facts(whole.render(name))) for name in whole.nodes}
    found = across.check({name: across.from_json(text) for name, text in kept.items()}, whole)
    return sorted(found, key=lambda problem: (problem.file, problem.line, problem.column, problem.message))
