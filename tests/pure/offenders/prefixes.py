"""Prefixes that are often inside one another."""

from __future__ import annotations

from ipaddress import IPv6Network

from hypothesis import strategies as st

from intent.offences import Prefixes

_LENGTHS = (0, 0, 3, 7, 16, 31, 32, 33, 48, 56, 63, 64, 65, 127, 128)
_BITS = (0, 0x2001_0DB8 << 96, 0x2001_0DB8_0001 << 80, (0x2001_0DB8_0001 << 80) + 1, 0xFD00 << 112, (1 << 128) - 1)


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    """Return a normalised IPv6 prefix."""
    bits = draw(st.sampled_from(_BITS)) ^ draw(st.sampled_from([0, 1, 1 << 64, 1 << 72, 1 << 95]))
    return str(IPv6Network((bits, draw(st.sampled_from(_LENGTHS))), strict=False))


pairs = st.builds(Prefixes, prefixes(), prefixes())
