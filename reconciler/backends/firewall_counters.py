"""The named counters of our table of nftables, without the program nft (linux/netfilter/nf_tables.h)."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

from intent.resources import netlink
from intent.resources.nftables_table import TABLE
from reconciler.backends.netlink_socket import NetlinkSocket
from reconciler.backends.nftables_netlink import NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES, NFPROTO_INET
from reconciler.core.errors import BackendError, RejectedError, StaleError, UnsupportedError

NFT_MSG_NEWOBJ = 18
NFT_MSG_GETOBJ = 19
NFTA_OBJ_TABLE = 1
NFTA_OBJ_NAME = 2
NFTA_OBJ_TYPE = 3
NFTA_OBJ_DATA = 4
NFT_OBJECT_COUNTER = 1
NFTA_COUNTER_BYTES = 1
NFTA_COUNTER_PACKETS = 2
_NFGENMSG = struct.pack("=BBH", NFPROTO_INET, 0, 0)


class FirewallCounter(NamedTuple):
    """A named counter: packets that a rule of the firewall refused, and their bytes."""

    name: str
    packets: int
    bytes: int


class FirewallCounters:
    """Looks at the counters in the network namespace that it was made in. One thread at a time. Takes CAP_NET_ADMIN.

    It is made where the kernel has no netfilter or refuses it, too; each look says so then.
    """

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(NETLINK_NETFILTER)
        # Opened now, it asks this thread's network namespace whoever uses it.
        with contextlib.suppress(BackendError):
            _ = self._netlink.strict

    def look(self) -> tuple[FirewallCounter, ...]:
        """Return the counters by name, none where there is no such table. Raises BackendError."""
        parts = (*netlink.string(NFTA_OBJ_TABLE, TABLE), *netlink.be32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER))
        question = _NFGENMSG + b"".join(part for part in parts if isinstance(part, bytes))
        try:
            answers = self._netlink.look(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ, question)
            return tuple(sorted(_counters(answers.of_type(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWOBJ))))
        except (StaleError, UnsupportedError):
            return ()
        except (KeyError, ValueError) as error:
            raise RejectedError(f"the counters of the firewall could not be understood: {error}") from error

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()


def _counters(rows: Iterator[bytes]) -> Iterator[FirewallCounter]:
    for row in rows:
        said = dict(netlink.attributes(row, len(_NFGENMSG)))
        ours = netlink.text(said[NFTA_OBJ_TABLE]) == TABLE
        # An older kernel tells of the objects of all tables, of whatever type.
        if row[0] == NFPROTO_INET and ours and netlink.big_endian(said[NFTA_OBJ_TYPE]) == NFT_OBJECT_COUNTER:
            counted = dict(netlink.attributes(said[NFTA_OBJ_DATA]))
            packets, size = (netlink.big_endian(counted[one]) for one in (NFTA_COUNTER_PACKETS, NFTA_COUNTER_BYTES))
            yield FirewallCounter(netlink.text(said[NFTA_OBJ_NAME]), packets, size)
