"""A node in memory, for tests and for trying things: it accepts and reports what the real backends do.

The same contract tests run against it and against a real kernel.
"""

from reconciler.backends.fake.node import FakeNode, KilledError

__all__ = ["FakeNode", "KilledError"]
