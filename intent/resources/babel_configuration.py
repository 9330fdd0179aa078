"""The part of babeld's configuration that takes a restart: tables and filters, as text (babeld(8)).

Nothing in it changes with interfaces, which are added while babeld runs, and nothing decides which sockets babeld
opens: those are in the operator's own file or command line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from intent.offences import AS_GOOD_AS_DEFAULT
from intent.resources.babel_wire import WITHDRAWN
from intent.resources.file import marked
from intent.resources.route import PROTOCOL_ANNOUNCED, PROTOCOL_WITHDRAWN

NO_LINK = "stellwerk-none"
"""The name of a link that does not exist: babeld keeps it in mind and does nothing with it."""


@dataclass(frozen=True, slots=True)
class ExitMetric:
    """The metric (0–65533) with which the default route of an exit prefix is announced.

    One without a ``prefix`` is known by the interface that its traffic leaves through, since it changes.
    """

    prefix: IPv6Network | None
    metric: int
    interface: str = ""


@dataclass(frozen=True, slots=True)
class BabelConfiguration:
    """Our part of a babeld's configuration.

    ``table`` is the kernel table that babeld announces from and installs into, ``exits`` the exit prefixes with
    their metric, ``own_prefixes`` the prefixes in which this node's own addresses are announced, ``mesh_exits`` the
    exit prefixes of the whole mesh, parts of which are not used.
    """

    table: int
    exits: tuple[ExitMetric, ...] = ()
    own_prefixes: tuple[IPv6Network | IPv4Network, ...] = ()
    mesh_exits: tuple[IPv6Network, ...] = ()

    def render(self) -> bytes:
        """Return the file, marked as ours; the same for any order of exits and prefixes."""
        return marked("".join(f"{line}\n" for line in (*_INTRODUCTION, *self._tables(), *self._filters())))

    def _tables(self) -> tuple[str, ...]:
        return (
            "",
            f"# Announce routes from table {self.table}, and install the mesh's routes there.",
            f"import-table {self.table}",
            f"export-table {self.table}",
            "",
            "# babeld does not start without any interface. The real ones are added while it runs; this one never is.",
            f"interface {NO_LINK}",
        )

    def _filters(self) -> tuple[str, ...]:
        return (
            "",
            "# A default route without `from` would draw the whole mesh's traffic to one node: never use one, and so",
            "# never pass it on, but keep it in mind, so that it can be said who announces it; and never announce one.",
            "# The same for what is as good as one.",
            *(f"install ip {to} le {most} src-ip ::/0 src-eq 0 deny" for to, most in AS_GOOD_AS_DEFAULT),
            *(f"redistribute ip {to} le {most} src-ip ::/0 src-eq 0 deny" for to, most in AS_GOOD_AS_DEFAULT),
            *self._parts(),
            "",
            f"# A route about to go: said to be unreachable first ({WITHDRAWN}), because neighbours are not told",
            "# about a route that just vanishes and would use it for a minute more.",
            f"redistribute proto {PROTOCOL_WITHDRAWN} metric {WITHDRAWN}",
            *self._exits(),
            "",
            "# All other routes that stellwerk marked as to be announced.",
            f"redistribute proto {PROTOCOL_ANNOUNCED} allow",
            *self._own(),
            "",
            "# No other address of this node.",
            "redistribute local deny",
        )

    def _parts(self) -> tuple[str, ...]:
        if not self.mesh_exits:
            return ()
        prefixes = sorted(set(self.mesh_exits))
        return (
            "",
            "# The exit prefixes of this mesh: a default route from each as a whole, and none from a part of it.",
            *(f"install ip ::/0 eq 0 src-ip {one} src-eq {one.prefixlen} allow" for one in prefixes),
            *(f"install ip {to} le {most} src-ip {one} deny" for one in prefixes for to, most in AS_GOOD_AS_DEFAULT),
        )

    def _exits(self) -> tuple[str, ...]:
        changing = {exit_.interface: exit_.metric for exit_ in self.exits if exit_.prefix is None and exit_.metric > 0}
        # Whatever leaves through the same interface would have its metric too.
        lines = [
            f"redistribute ip ::/0 eq 0 src-ip {prefix} src-eq {prefix.prefixlen} proto {PROTOCOL_ANNOUNCED} "
            + (f"metric {metric}" if metric > 0 else "allow")
            for prefix, metric, interface in sorted(
                (exit_.prefix, exit_.metric, exit_.interface) for exit_ in self.exits if exit_.prefix is not None
            )
            if metric > 0 or interface in changing
        ]
        lines += [
            f"redistribute if {interface} ip ::/0 eq 0 proto {PROTOCOL_ANNOUNCED} metric {metric}"
            for interface, metric in sorted(changing.items())
        ]
        return ("", "# Exits that others are to prefer less: the higher the metric, the less.", *lines) if lines else ()

    def _own(self) -> tuple[str, ...]:
        if not self.own_prefixes:
            return ()
        prefixes = sorted(set(self.own_prefixes), key=lambda prefix: (prefix.version, prefix))
        return (
            "",
            "# This node's own addresses in the mesh's prefixes.",
            *(f"redistribute local ip {prefix} allow" for prefix in prefixes),
        )


def exits_refused_in_part(content: bytes) -> frozenset[str]:
    """Return the exit prefixes of the mesh that are in a file of `BabelConfiguration.render`."""
    return frozenset(match[1].decode() for match in _WHOLE.finditer(content))


_WHOLE = re.compile(rb"^install ip ::/0 eq 0 src-ip (\S+) src-eq \d+ allow$", re.MULTILINE)

_INTRODUCTION = (
    "#",
    "# babeld reads this at its start only. Start it with `-c` and this file's name, after the -c of a file of",
    "# your own, if any; the first filter that matches a route decides.",
)
