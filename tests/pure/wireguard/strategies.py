"""Generated WireGuard things, all in their one spelling."""

from __future__ import annotations

import ipaddress

from hypothesis import strategies as st

from intent.resources.wireguard_names import Endpoint, endpoint, key_text, prefixes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import SetPeer
from intent.secrets import PresharedKey

LINK = "wg-mesh"

raw_keys = st.binary(min_size=32, max_size=32)
public_keys = raw_keys.map(key_text)
ports = st.integers(1, 65535)


def _network(address: int, length: int, bits: int) -> str:
    kind = ipaddress.IPv4Network if bits == 32 else ipaddress.IPv6Network
    return str(kind((address, length), strict=False))


networks = st.one_of(
    st.builds(_network, st.integers(0, 2**32 - 1), st.integers(0, 32), st.just(32)),
    st.builds(_network, st.integers(0, 2**128 - 1), st.integers(0, 128), st.just(128)),
)
endpoints: st.SearchStrategy[Endpoint] = st.builds(
    endpoint, st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str), ports
)
psks = st.one_of(st.none(), raw_keys.filter(any).map(PresharedKey))

peers = st.builds(
    WireGuardPeer,
    link=st.just(LINK),
    public_key=public_keys,
    preshared_key=psks,
    endpoint=st.one_of(st.none(), endpoints),
    allowed_ips=st.lists(networks, max_size=40).map(prefixes),
    persistent_keepalive=st.integers(0, 65535),
)

set_peers = st.builds(
    SetPeer,
    link=st.just(LINK),
    public_key=public_keys,
    remove=st.booleans(),
    preshared_key=psks,
    endpoint=st.one_of(st.none(), endpoints),
    allowed_ips=st.lists(networks, max_size=12).map(prefixes),
    replace_allowed_ips=st.booleans(),
    persistent_keepalive=st.one_of(st.none(), st.integers(0, 65535)),
    update_only=st.booleans(),
)
