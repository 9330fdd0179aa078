"""What holds for every test: tiers by folder, no skipping into a pass, nothing left behind on the machine."""

import functools
import os
import signal
import subprocess
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

# What holds assertions and is imported by several folders: whoever comes first.
pytest.register_assert_rewrite(
    "tests.kernel.figures.wireguard_peers", "tests.kernel.wireguard.bed", "tests.kernel.wireguard.contract"
)

from tests.leftovers import Leftovers  # noqa: E402
from tests.run_folder import use_a_run_folder_of_its_own  # noqa: E402

TIERS = {"kernel": Path(__file__).parent / "kernel", "full": Path(__file__).parent / "full"}
SHARING = ("tests/kernel/lab_mesh/", "tests/full/lab_mesh/", "tests/kernel/lab/test_lab.py")
"""The folders and modules whose tests share a fixture that takes long to make."""
FULL_KERNEL_LINKS = {
    "wireguard": "",
    "dummy": "",
    # With ends: a tunnel without any is the fall-back device, which is there already.
    "gre": "local 192.0.2.1 remote 192.0.2.2",
    "ip6gre": "local 2001:db8::1 remote 2001:db8::2",
}

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


BEFORE = pytest.StashKey[Leftovers]()
LEFT_BEHIND = "left_behind"


def pytest_sessionstart(session: pytest.Session) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts it in the background has it so; the programs that tests interrupt would have it too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _only_leads_workers(session.config):
        return  # The workers run the tests, and each watches its own.
    if _is_a_worker(session.config) and os.geteuid() == 0:
        use_a_run_folder_of_its_own()
    session.config.stash[BEFORE] = Leftovers.watch()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report a failed test of its own where a namespace or a process of the session outlives it.

    A fixture could not: its failure is laid on the last test, and hidden if that one is an xfail.
    """
    if _only_leads_workers(session.config):
        return
    left_behind = session.config.stash[BEFORE].found()
    if _is_a_worker(session.config):
        session.config.workeroutput[LEFT_BEHIND] = left_behind  # type: ignore[attr-defined]
    elif left_behind:
        _report_left_behind(session.config, left_behind)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Report what a worker said in the end; one that crashed has said nothing, and is reported by itself."""
    left_behind = getattr(node, "workeroutput", {}).get(LEFT_BEHIND)
    if left_behind:
        _report_left_behind(node.config, left_behind)


def _is_a_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _only_leads_workers(config: pytest.Config) -> bool:
    return bool(config.getoption("dist", "no") != "no") and not _is_a_worker(config)


def _report_left_behind(config: pytest.Config, left_behind: Sequence[str]) -> None:
    name = "tests/conftest.py::nothing_is_left_behind"
    report = functools.partial(pytest.TestReport, name, ("tests/conftest.py", None, name), {})
    lines = "\n".join(["left behind by the tests of this session:", *left_behind])
    config.hook.pytest_runtest_logreport(report=report(outcome="failed", longrepr=lines, when="call"))
    config.hook.pytest_runtest_logreport(report=report(outcome="passed", longrepr=None, when="teardown"))


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        tier = next((name for name, folder in TIERS.items() if item.path.is_relative_to(folder)), "pure")
        item.add_marker(tier)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Give each test to whichever worker is free, but what shares a lab to one (``--dist loadscope``).

    Not by ``--dist loadgroup``: pytest-xdist 3.8.0 marks the groups in an attribute that pytest 9.2 has no more.
    """
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return next((shared for shared in SHARING if nodeid.startswith(shared)), nodeid)

    return Scheduling(config, log)


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
