"""Tells what statistics a node file asks for: ``python -m`` this module, and the file.

The output is one line of JSON, as an answer on the control socket ends (`reconciler.services.control_protocol`). Who
reads it is `reconciler.services.statistics.asked`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intent.expansion import services
from intent.features.stats import FEATURE, SERVICE, Stats
from intent.loading import load
from intent.problems import IntentError
from intent.references import References
from intent.statistics import Statistics
from intent.statistics_json import to_json
from reconciler.backends.references import Resolvers
from reconciler.core.errors import StellwerkError
from reconciler.services.control_protocol import failure
from reconciler.services.node_files import read_whole


def main(arguments: Sequence[str]) -> None:
    """Print what the file asks for."""
    try:
        told = {"end": "done", **_told(Path(arguments[0]))}
    except (IntentError, StellwerkError) as exc:
        told = failure(exc)
    print(json.dumps(told))


def _told(file: Path) -> dict[str, Any]:
    """Return the settings, and the files they depend on. Raises IntentError.

    A key that cannot be read leaves only the names of links unknown: figures take no rights, and keys do.
    """
    node = read_whole(file, lambda: load(str(file)))
    stats = node.get(Stats)
    references = () if stats is None else tuple(FEATURE.references(stats, node))
    resolvers = Resolvers()
    values, notes = {}, []
    for reference in references:
        try:
            found = resolvers.resolve((reference,))
        except StellwerkError as exc:
            notes.append(f"the interfaces of `links` are not known: {exc}")
            continue
        if not found.generated:
            values[reference] = found.references[reference]
    wanted = [one.settings for one in services(node, References(values)) if one.name == SERVICE]
    settings = [to_json(one) for one in wanted if isinstance(one, Statistics)]
    return {"statistics": settings[0] if settings else None, "files": resolvers.files(references), "notes": notes}


if __name__ == "__main__":
    main(sys.argv[1:])
