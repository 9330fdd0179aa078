"""Never two of us at once: the second one is refused, and told what to do."""

from tests.host import Host, until
from tests.kernel.daemon.running import Programs, exit_of, holders, kernel_state

PLAIN = """
version: 1
node: exit-1
addresses:
  - {interface: mesh0, addresses: ["fd00:6d65::1/64"]}
  - {interface: wan, addresses: ["fd00:77::1/64"]}
"""


def a_second_daemon_is_refused(node: Host, start: Programs) -> None:
    first = start.synced(node.node_file(exit_of(1)))
    before = kernel_state(node)
    same = start.daemon(node.folder / "node.yaml")
    other_socket = start.daemon(node.folder / "node.yaml", "--socket", str(node.folder / "other"))
    other_state = start.daemon(
        node.folder / "node.yaml", "--state-dir", str(node.folder / "other-state"), "--socket", str(first.socket)
    )
    for second in (same, other_socket):
        assert second.wait() == 4
        assert f"process {first.pid}" in second.said()
        assert "stop it first" in second.said()
    assert other_state.wait() == 4
    assert "another daemon listens" in other_state.said()
    assert first.status()["sync"]["state"] == "synced"
    assert kernel_state(node) == before
    assert not (node.folder / "other").exists()


def an_apply_goes_to_the_daemon(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(PLAIN))
    given = node.node_file(PLAIN.replace("6d65::1", "6d65::2"), "given.yaml")
    applied = start.client("apply", given)
    assert applied.wait() == 0, applied.said()
    assert "fd00:6d65::2/64" in node.namespace.ip("address")
    assert daemon.status()["intent"]["by_hand"]
    # Another socket does not go around the lock.
    around = start.client("apply", given, "--socket", str(node.folder / "none"))
    assert around.wait() == 4
    assert f"process {daemon.pid}" in around.said()
    around = start.client("apply", given, "--confirm", "60s", "--socket", str(node.folder / "none"))
    assert around.wait() in (1, 4)
    assert f"process {daemon.pid}" in around.said()
    assert "nothing was changed" in around.said() or "nothing is changed" in around.said()


def two_changes_on_trial_at_once(node: Host, start: Programs) -> None:
    """The second one goes to who sees the first one through; neither is carried out in halves."""
    first = start.client("apply", node.node_file(PLAIN), "--confirm", "60s")
    second = start.client(
        "apply", node.node_file(PLAIN.replace("6d65::1", "6d65::2"), "second.yaml"), "--confirm", "60s"
    )
    codes = sorted((first.wait(), second.wait()))
    assert codes in ([0, 0], [0, 1], [0, 4]), (first.said(), second.said())
    until(lambda: len(holders(node)) == 1, "one who sees it through")
    shown = node.namespace.ip("-6", "address", "show", "dev", "mesh0")
    assert ("fd00:6d65::1/64" in shown) is not ("fd00:6d65::2/64" in shown)
    for one in (first, second):
        assert "Traceback" not in one.said()
        if one.wait():
            assert "nothing was changed" in one.said() or "nothing is changed" in one.said(), one.said()
    assert start.client("rollback").wait() == 0


def a_daemon_waits_for_no_trial(node: Host, start: Programs) -> None:
    applied = start.client("apply", node.node_file(PLAIN), "--confirm", "60s")
    assert applied.wait() == 0
    (holder,) = holders(node)
    daemon = start.daemon(node.folder / "node.yaml")
    assert daemon.wait() == 4
    assert f"process {holder}" in daemon.said()
    assert "`stellwerk confirm`" in daemon.said(), daemon.said()
    assert start.client("confirm").wait() == 0
    until(lambda: not holders(node), "the end of who saw the trial through")
    start.synced(node.folder / "node.yaml")


SCENARIOS = (
    *(a_second_daemon_is_refused, an_apply_goes_to_the_daemon),
    *(two_changes_on_trial_at_once, a_daemon_waits_for_no_trial),
)
