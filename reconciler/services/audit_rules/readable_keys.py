"""Key files that others than their owner can read or write: who reads a private key is the node."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from intent.document import Node
from intent.resources.file import KeyFile
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield key files with rights for everybody."""
    for view in case.observation.tables:
        for key, one in view.resources.items() if view.name == KeyFile.table else ():
            if isinstance(one, KeyFile) and one.mode is not None and one.mode & stat.S_IRWXO:
                yield Found(
                    key,
                    Finding(
                        "readable-key",
                        Severity.CRITICAL,
                        f"key file {one.path} mode {one.mode:04o}",
                        "everybody on this node can read or write this key file",
                        "`chmod 600` it, and make a new key if others had access",
                    ),
                )
