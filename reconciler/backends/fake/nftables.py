"""The nftables of the fake: tables as nft lists them, changed by its commands (libnftables-json(5))."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from intent.resources.nftables_table import ChangeNftables, NftTableRow
from intent.resources.resource import Request
from reconciler.core.backend import Dump, Partitions
from reconciler.core.errors import BackendError, BusyError, OccupiedError, StaleError, UnsupportedError

_METAINFO = {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
_COUNTED = ("counter", "set", "map", "chain")

Objects = list[dict[str, dict[str, Any]]]


class FakeNftables:
    """Tables by family and name; a transaction is carried out whole or not at all."""

    tables = frozenset({"nftables"})

    def __init__(self, installed: bool) -> None:
        self.rulesets: dict[tuple[str, str], Objects] = {}
        self._installed = installed

    def dump(self, partitions: Partitions) -> Dump:
        """Return a row for each table that is looked for, as nft 1.0.6 lists it."""
        wanted = None if partitions is None else {tuple(str(part).split()) for part in partitions}
        found = [name for name in sorted(self.rulesets) if wanted is None or name in wanted]
        return Dump([NftTableRow(*name, json.dumps({"nftables": self._listing(name)})) for name in found])

    def lacking(self, request: Request) -> UnsupportedError | None:
        """Return what is missing to carry the request out."""
        return None if self._installed else UnsupportedError("there is no program nft; install it")

    def carry_out(self, request: ChangeNftables) -> BackendError | None:
        """Carry out the commands in one transaction."""
        if not self._installed:
            return self.lacking(request)
        before = copy.deepcopy(self.rulesets)
        try:
            for command in request.commands:
                self._command(json.loads(command))
        except BackendError as error:
            self.rulesets = before
            if request.gone_is_done and isinstance(error, StaleError):
                return None
            return type(error)(f"{request.about}: {error}")
        return None

    def add_table(self, family: str, name: str, *objects: dict[str, dict[str, Any]]) -> None:
        """Make a table as if by hand."""
        self.rulesets[family, name] = list(objects)

    def flush(self) -> None:
        """Delete all tables, as the restart of a firewall does."""
        self.rulesets.clear()

    def describe(self) -> Iterator[str]:
        """Yield a line for every table, with what is in it."""
        for name, objects in self.rulesets.items():
            yield f"nftables table {' '.join(name)}: {json.dumps(objects, sort_keys=True)}"

    def _listing(self, name: tuple[str, str]) -> list[Any]:
        family, table = name
        order = ("counter", "set", "map", "chain", "rule")
        objects = sorted(self.rulesets[name], key=lambda one: order.index(next(iter(one))))
        return [_METAINFO, {"table": {"family": family, "name": table, "handle": 1}}, *objects]

    def _command(self, command: dict[str, Any]) -> None:
        ((verb, told),) = command.items()
        ((what, body),) = told.items()
        if what == "table":
            self._on_table(verb, (body["family"], body["name"]))
            return
        objects = self.rulesets.get((body["family"], body["table"]))
        if objects is None:
            raise StaleError("No such file or directory")
        if verb == "add":
            _add(objects, what, body)
        elif verb == "flush":
            _flush(objects, what, body["name"])
        else:
            _delete(objects, what, body["name"])

    def _on_table(self, verb: str, name: tuple[str, str]) -> None:
        if verb == "create":
            if name in self.rulesets:
                raise OccupiedError("File exists")
            self.rulesets[name] = []
        elif self.rulesets.pop(name, None) is None:
            raise StaleError("No such file or directory")


def _find(objects: Objects, what: str, name: str) -> dict[str, Any]:
    for one in objects:
        if what in one and one[what]["name"] == name:
            return one[what]
    raise StaleError(f"No such file or directory: {what} {name}")


def _add(objects: Objects, what: str, body: dict[str, Any]) -> None:
    if what == "element":
        holder = _find(objects, "set", body["name"])
        # Of the same element twice there is one.
        holder["elem"] = [*holder.get("elem", []), *(one for one in body["elem"] if one not in holder.get("elem", []))]
        return
    if what == "rule":
        _find(objects, "chain", body["chain"])
        for kind, name in _used(body):
            _find(objects, kind, name)
    elif any(what in one and one[what]["name"] == body["name"] for one in objects):
        return
    objects.append({what: dict(body) | ({"packets": 0, "bytes": 0} if what == "counter" else {})})


def _flush(objects: Objects, what: str, name: str) -> None:
    held = _find(objects, what, name)
    if what == "set":
        held.pop("elem", None)
        return
    objects[:] = [one for one in objects if one.get("rule", {}).get("chain") != name]


def _delete(objects: Objects, what: str, name: str) -> None:
    held = _find(objects, what, name)
    rules = [one["rule"] for one in objects if "rule" in one]
    if any((what, name) in set(_used(rule)) or (what == "chain" and rule["chain"] == name) for rule in rules):
        raise BusyError(f"Device or resource busy: {what} {name}")
    objects[:] = [one for one in objects if one.get(what) is not held]


def _used(rule: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the named sets and counters that a rule stands on."""
    for statement in rule["expr"]:
        if isinstance(statement.get("counter"), str):
            yield "counter", statement["counter"]
        right = statement.get("match", {}).get("right")
        if isinstance(right, str) and right.startswith("@"):
            yield "set", right[1:]
