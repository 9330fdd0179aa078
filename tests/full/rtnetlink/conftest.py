"""A namespace of a kernel with all kinds of links, with two links up that are not ours."""

from tests.kernel.rtnetlink.conftest import namespace, node

__all__ = ["namespace", "node"]
