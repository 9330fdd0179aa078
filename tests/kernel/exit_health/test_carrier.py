"""Whether an interface can carry packets, on the real kernel."""

from __future__ import annotations

from intent.fitness import Carrier, LinkCarrier
from reconciler.backends.link_carrier import LinkCarriers
from tests.host import until
from tests.namespaces import namespaces


def test_carrier_and_flags() -> None:
    with namespaces(2) as (here, there):

        def carrier(name: str = "wan", made_here: bool = False) -> Carrier:
            found: Carrier = here.run(lambda: LinkCarriers().resolve(LinkCarrier(name, made_here)).value)
            return found

        assert carrier() is Carrier.READY, "what is not there yet keeps nothing from being made"
        here.cable("wan", there, "far")
        until(lambda: carrier() is Carrier.READY, "the carrier")
        there.ip("link", "set", "far", "down")
        until(lambda: carrier() is Carrier.MISSING, "the loss of the carrier")
        assert carrier(made_here=True) is Carrier.MISSING
        here.ip("link", "set", "wan", "down")
        assert carrier() is Carrier.DOWN
        assert carrier(made_here=True) is Carrier.READY, "what this file makes it sets up in the same round"
        assert carrier("lo") is Carrier.READY, "a link without an operational state of its own"
