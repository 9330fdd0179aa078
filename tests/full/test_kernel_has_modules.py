"""The full kernel makes every kind of link that this tier is about."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.leftovers import session_name

ENDS = {
    "wireguard": "",
    "dummy": "",
    "gre": "local 192.0.2.1 remote 192.0.2.2",
    "gretap": "local 192.0.2.1 remote 192.0.2.2",
    "ip6gre": "local 2001:db8::1 remote 2001:db8::2",
    "ip6gretap": "local 2001:db8::1 remote 2001:db8::2",
}


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, text=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    name = session_name("modules")
    ip("netns", "add", name)
    yield name
    ip("netns", "delete", name)


@pytest.mark.parametrize("kind", ENDS)
def test_a_link_of_this_kind_can_be_made_and_removed(namespace: str, kind: str) -> None:
    ip("-n", namespace, "link", "add", "probe", "type", kind, *ENDS[kind].split())
    assert f"{kind} " in ip("-n", namespace, "-details", "link", "show", "probe").replace("\n", " ")
    ip("-n", namespace, "link", "delete", "probe")
    assert "probe" not in ip("-n", namespace, "link", "show")
