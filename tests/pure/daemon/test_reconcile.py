"""``stellwerk reconcile`` says as much as ``stellwerk status`` does where not all is well, and its exit code tells."""

from __future__ import annotations

from tests.pure.daemon.conftest import ADDRESS, OTHER, Stage, node_text


def test_a_healthy_node_is_one_line(stage: Stage) -> None:
    stage.start()
    assert stage.cli("reconcile") == (0, "roof-1: synced and healthy\n")


def test_a_node_file_that_a_guard_refuses_is_told_with_the_reason(stage: Stage) -> None:
    stage.file.write_text(node_text(ADDRESS, OTHER))
    stage.start()
    stage.file.write_text("version: 1\nnode: roof-1\n")
    for _ in range(2):
        code, said = stage.cli("reconcile")
        assert (code, said.splitlines()[0]) == (4, "roof-1: synced and degraded")
        assert "  degraded: intent " in said
        assert "was refused: " in said
        assert "--allow-deletes" in said
    assert len(stage.addresses()) == 2
    assert stage.cli("reconcile --allow-deletes")[0] == 0
    assert stage.addresses() == []


def test_an_invalid_node_file_is_told_with_the_reason(stage: Stage) -> None:
    stage.start()
    stage.file.write_text("version: 1\n")
    code, said = stage.cli("reconcile")
    assert code == 3
    assert "degraded: the node file cannot be used: " in said
    stage.file.write_text(node_text(ADDRESS, OTHER))
    assert stage.cli("reconcile")[0] == 0


def test_an_intent_in_quarantine_is_refused(stage: Stage) -> None:
    stage.file.write_text(node_text(ADDRESS))
    stage.start()
    other = stage.write(node_text(ADDRESS, OTHER))
    assert stage.cli(f"apply {other} --confirm 1m")[0] == 0
    assert stage.cli("rollback")[0] == 0
    stage.file.write_text(node_text(ADDRESS, OTHER))
    code, said = stage.cli("reconcile")
    assert code == 4
    assert "is in quarantine: " in said
