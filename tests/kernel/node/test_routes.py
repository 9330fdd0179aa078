"""Static routes of a node file, as the kernel shows them to everybody."""

import json

from tests.host import Host

NODE = """
version: 1
node: router-1
routes:
  - {via: {interface: wan, gateway: "fe80::1"}, metric: 600}
  - {to: "2001:db8:1::/48", via: {interface: wan}, table: 4294967295}
  - {from: ["2001:db8:2::/48", "2001:db8:3::/48"], via: {interface: wan, gateway: "2001:db8::1"}, metric: 512}
  - {to: "2001:db8:4::/48", from: "2001:db8:5::/48", kind: throw, table: 300}
  - {to: "2001:db8:6::/48", kind: unreachable}
  - {to: "2001:db8:7::/48", kind: blackhole}
  - {to: "2001:db8:8::1/128", kind: prohibit, metric: 1}
"""
SEEN = {
    "unicast default dev wan via fe80::1 metric 600",
    "unicast 2001:db8:1::/48 dev wan table 4294967295 metric 1024",
    "unicast default from 2001:db8:2::/48 dev wan via 2001:db8::1 metric 512",
    "unicast default from 2001:db8:3::/48 dev wan via 2001:db8::1 metric 512",
    "throw 2001:db8:4::/48 from 2001:db8:5::/48 table 300 metric 1024",
    "unreachable 2001:db8:6::/48 metric 1024",
    "blackhole 2001:db8:7::/48 metric 1024",
    "prohibit 2001:db8:8::1 metric 1",
}


def routes(node: Host) -> set[str]:
    """Return the routes with protocol 241, which babel does not announce."""
    shown = json.loads(node.namespace.ip("-6", "-j", "-d", "route", "show", "table", "all", "proto", "241"))
    return {words(route) for route in shown}


def words(route: dict[str, object]) -> str:
    given = [route["type"], route["dst"]]
    for field, word in (("from", "from"), ("dev", "dev"), ("gateway", "via"), ("table", "table"), ("metric", "metric")):
        if field in route and (field, route[field]) not in {("dev", "lo"), ("table", "main")}:
            given += [word, route[field]]
    return " ".join(map(str, given))


def test_every_kind_of_route(node: Host) -> None:
    file = node.node_file(NODE)
    assert node.apply(file).code == 0
    assert routes(node) == SEEN
    assert node.plan(file)["operations"] == []


def test_a_prefix_that_is_taken_from_a_list_takes_its_route_along(node: Host) -> None:
    node.apply(node.node_file(NODE))
    file = node.node_file(NODE.replace('"2001:db8:2::/48", ', ""))
    assert [operation["action"] for operation in node.plan(file)["operations"]] == ["delete"]
    assert node.apply(file).code == 0
    assert routes(node) == {route for route in SEEN if "2001:db8:2::" not in route}
