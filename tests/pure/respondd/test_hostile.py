"""Whatever comes in is answered at most once, as short as promised, or not at all."""

from __future__ import annotations

import json
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.backends.babel_table import Known
from reconciler.services.statistics.respondd.endpoint import Packet
from tests.figures import KNOWN, NEIGHBOURS
from tests.pure.respondd import as_yanic
from tests.pure.respondd.asked import ALL, MESH, OTHER, Asked

WORDS = st.sampled_from([b"GET", b" ", b"nodeinfo", b"statistics", b"neighbours", b"\0", b"\n", b"\xff", b"foo"])
DATA = st.one_of(st.binary(max_size=300), st.lists(WORDS, max_size=40).map(b"".join))
ADDRESSES = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.sampled_from(["::", "::1", "ff02::1", "ff02::2:1001", "ff05::2:1001", "fe80::1", "fd00:6d65::1"]).map(
        lambda text: socket.inet_pton(socket.AF_INET6, text)
    ),
)
ASKED = Asked()


@given(DATA, ADDRESSES, ADDRESSES, st.integers(0, 65535), st.sampled_from([0, MESH, OTHER]))
def test_anything(data: bytes, source: bytes, to: bytes, port: int, interface: int) -> None:
    ASKED.now += 1
    host = socket.inet_ntop(socket.AF_INET6, source)
    packet = Packet(data, (host, port, 0, interface), to, interface)
    reply = ASKED.responder.take(packet, {MESH}, ASKED.now)
    ASKED.now += 11
    replies = ASKED.waited() + ([] if reply is None else [reply])
    assert len(replies) <= 1
    for one in replies:
        assert one.packet is packet
        assert interface == MESH
        assert len(data) <= 255
        assert len(one.data) <= 8192
        if data.startswith(b"GET "):
            assert as_yanic.read(one.data).keys() <= {"nodeinfo", "statistics", "neighbours"}
        else:
            json.loads(one.data)
    assert "fault" not in ASKED.dropped()


def test_two_of_us_do_not_talk_for_ever() -> None:
    asked = Asked()
    for data in (ALL, b"GET ", b"nodeinfo", b"statistics", b"neighbours"):
        answer = asked.ask(data, port=1001)
        assert answer is not None
        assert asked.ask(answer, port=1001) is None


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**40))
def test_what_babeld_says_is_told_as_text(name: str, address: str, router_id: str, cost: int) -> None:
    odd = NEIGHBOURS[0]._replace(interface=name, address=address, cost=cost, rxcost=cost, txcost=cost)
    interface = KNOWN.interfaces[0]._replace(name=name, ipv6=address)
    default = KNOWN.defaults[0]._replace(router_id=router_id, refmetric=7, source=address)
    known: Known = KNOWN._replace(
        neighbours=(*NEIGHBOURS, odd),
        interfaces=(*KNOWN.interfaces, interface),
        router_id=router_id,
        defaults=(default,),
    )
    asked = Asked(status={"offers": []})
    asked.figures.know(known)
    babel = asked.told()["neighbours"]["babel"]
    assert babel[name]["neighbours"][address]["cost"] == min(cost, 65535)
