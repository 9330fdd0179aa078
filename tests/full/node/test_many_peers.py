"""A thousand peers on the kernel's WireGuard, from a node file."""

import base64

from tests.host import Host

COUNT = 1000


def _peer(number: int) -> str:
    key = base64.b64encode(bytes([9, *number.to_bytes(2), *[7] * 29])).decode()
    prefixes = f'"fd00:{number:x}::/48", "10.{number >> 8}.{number & 255}.0/24"'
    return f'      - {{public_key: "{key}", allowed_ips: [{prefixes}], endpoint: "[2001:db8:1::9]:{number + 1000}"}}\n'


def test_a_thousand_peers_converge_and_one_change_is_one_operation(node: Host) -> None:
    head = "version: 1\nnode: many\nwireguard:\n  - name: wg-many\n    implementation: kernel\n"
    key = "    private_key: {file: $folder/keys/wg, generate: true}\n"
    peers = [_peer(number) for number in range(COUNT)]
    file = node.node_file(head + key + "    peers:\n" + "".join(peers))
    done = node.apply(file)
    assert done.code == 0, done.err
    assert node.plan(file)["in_sync"]
    assert len(node.namespace.program("wg", "show", "wg-many", "peers").split()) == COUNT
    file.write_text(file.read_text().replace('"fd00:1f::/48", ', ""))
    (step,) = node.plan(file)["operations"]
    assert (step["action"], step["key"][0], list(step["changes"])) == ("update", "wireguard peer", ["allowed_ips"])
    assert node.apply(file).code == 0
    assert node.plan(file)["in_sync"]
