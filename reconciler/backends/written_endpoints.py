"""Where the node file says that WireGuard peers are, with the addresses that names have now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address

from intent.resources.wireguard_names import Endpoint, spelled
from intent.statistics import WrittenEndpoint

Expected = Mapping[tuple[str, str], Collection[Endpoint]]
"""The endpoints that a peer may have without having roamed, by its interface and public key; none that are unknown."""


class WrittenEndpoints:
    """Looks up the names among some endpoints. Nothing is loaded for that where there are none."""

    def __init__(self, written: Iterable[WrittenEndpoint]) -> None:
        self._fixed: dict[tuple[str, str], Collection[Endpoint]] = {}
        self._named: list[WrittenEndpoint] = []
        for one in written:
            if _is_address(one.host):
                self._fixed[one.interface, one.public_key] = (spelled(one.host, one.port),)
            else:
                self._named.append(one)

    @property
    def fixed(self) -> Expected:
        """Those that are written as addresses."""
        return self._fixed

    def look(self) -> Expected:
        """Return all of them, but for names that have no address now. Waits for the name servers, for some seconds."""
        if not self._named:
            return self._fixed
        from intent.references import HostAddress
        from reconciler.backends import names

        addresses = names.resolve({HostAddress(one.host) for one in self._named})
        found = dict(self._fixed)
        for one in self._named:
            there = addresses[HostAddress(one.host)]
            if there:
                found[one.interface, one.public_key] = {spelled(address, one.port) for address in there}
        return found


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
