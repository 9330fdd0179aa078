"""The namespaces that tests run in."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.namespaces import Namespace, namespaces


def links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_a_function_runs_in_the_namespace_and_its_caller_stays_outside(namespace: Namespace) -> None:
    outside = os.readlink("/proc/thread-self/ns/net")
    assert namespace.run(lambda: os.readlink("/proc/thread-self/ns/net")) != outside
    assert os.readlink("/proc/thread-self/ns/net") == outside
    # Modules of tunnels put fall-back devices into every namespace.
    assert "lo" in namespace.run(links)


def test_sysctls_are_those_of_the_namespace(namespace: Namespace) -> None:
    forwarding = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    before = forwarding.read_text()
    namespace.run(lambda: forwarding.write_text("1\n"))
    assert namespace.run(forwarding.read_text) == "1\n"
    assert forwarding.read_text() == before


def test_what_a_function_raises_comes_out(namespace: Namespace) -> None:
    with pytest.raises(ZeroDivisionError):
        namespace.run(lambda: 1 // 0)
    assert namespace.run(lambda: 1) == 1


def test_a_failing_program_says_why(namespace: Namespace) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        namespace.ip("link", "set", "absent", "up")
    assert "absent" in caught.value.__notes__[0]


def test_two_namespaces_are_joined_by_a_cable() -> None:
    with namespaces(2) as (left, right):
        left.cable("veth0", right, "veth1")
        assert "veth0" in left.run(links)
        assert {"veth0", "veth1"} & right.run(links) == {"veth1"}


def test_nothing_is_left_after_a_failure() -> None:
    paths = []

    def fail_inside() -> None:
        with namespaces(2) as (one, _):
            paths.append(one.path)
            one.run(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert not os.path.exists(paths[0])
