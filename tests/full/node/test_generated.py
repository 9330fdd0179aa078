"""Generated node files on a real kernel: one after the other on one host, each ends in sync."""

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.host import Host
from tests.intents import node_files


# A real kernel is slow to fail again and again: a failing file is reported as it is, not made smaller.
@settings(
    deadline=None,
    max_examples=12,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(text=node_files(), broken=st.sampled_from(["", "-6 rule delete priority 1000", "link set mesh0 down"]))
def test_after_apply_the_plan_is_empty_whatever_was_there(node: Host, text: str, broken: str) -> None:
    file = node.node_file(text)
    done = node.apply(file, "--allow-deletes")
    if done.code == 2:
        # The file has no mesh any more, and babeld can let go of our interface and its file at a restart only.
        assert {held["key"][0] for held in node.plan(file)["pending"]} <= {"babel interface", "file", "rule"}
        assert node.plan(file)["operations"] == []
        return
    assert done.code == 0, done.out + done.err + text
    assert node.plan(file)["in_sync"]
    if broken and ("rule" not in broken or '"mesh"' in text):
        node.namespace.ip(*broken.split())
        node.namespace.ip("link", "set", "mesh0", "up")
        again = node.apply(file)
        assert again.code == 0, again.out + again.err + text
        assert node.plan(file)["in_sync"]
