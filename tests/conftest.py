"""What holds for every test: tiers by folder, no skipping into a pass, nothing left behind on the machine."""

import functools
import os
import subprocess
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.leftovers import Leftovers

TIERS = {"kernel": Path(__file__).parent / "kernel", "full": Path(__file__).parent / "full"}
FULL_KERNEL_LINKS = {
    "wireguard": "",
    "dummy": "",
    # With ends: a tunnel without any is the fall-back device, which is there already.
    "gre": "local 192.0.2.1 remote 192.0.2.2",
    "ip6gre": "local 2001:db8::1 remote 2001:db8::2",
}

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


BEFORE = pytest.StashKey[Leftovers]()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[BEFORE] = Leftovers.watch()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report a failed test of its own where a namespace or a process of the session outlives it.

    A fixture could not: its failure is laid on the last test, and hidden if that one is an xfail.
    """
    left_behind = session.config.stash[BEFORE].found()
    if not left_behind:
        return
    name = "tests/conftest.py::nothing_is_left_behind"
    report = functools.partial(pytest.TestReport, name, ("tests/conftest.py", None, name), {})
    lines = "\n".join(["left behind by the tests of this session:", *left_behind])
    session.config.hook.pytest_runtest_logreport(report=report(outcome="failed", longrepr=lines, when="call"))
    session.config.hook.pytest_runtest_logreport(report=report(outcome="passed", longrepr=None, when="teardown"))
    session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        tier = next((name for name, folder in TIERS.items() if item.path.is_relative_to(folder)), "pure")
        item.add_marker(tier)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") and os.geteuid() != 0:
        pytest.fail("this test needs root", pytrace=False)
    if item.get_closest_marker("full") and (missing := links_the_kernel_lacks()):
        pytest.fail(
            f"this kernel has no {', '.join(missing)} links: `make test-full` and `make test` run this test"
            " on a kernel that has them",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _skipped_is_failed((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _skipped_is_failed((yield))


def _skipped_is_failed(report: Report) -> Report:
    """Turn a skip into a failure: a tier that cannot run here must not look as if it had passed."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{reason}\nA skipped test counts as failed here: give it what it needs, or move it."
    return report


@functools.cache
def links_the_kernel_lacks() -> list[str]:
    """Return which kinds of link the kernel cannot make, tried in a network namespace that ends with the try."""
    tries = [f"ip link add try-{kind} type {kind} {ends} || echo {kind}" for kind, ends in FULL_KERNEL_LINKS.items()]
    tried = subprocess.run(
        ["unshare", "--net", "sh", "-c", "; ".join(tries)],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return tried.stdout.split()
