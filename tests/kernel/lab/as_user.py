"""A lab that an ordinary user starts: its status as JSON."""

import json
import sys
import tempfile
from pathlib import Path

from reconciler.lab.laboratory import laboratory

with tempfile.TemporaryDirectory() as folder:
    with laboratory(sys.argv[1], Path(folder) / "labs") as lab:
        status = lab.until_synced()
        assert lab.run("roof", "id", "-u").stdout == "0\n"
        lab.break_("kiel")
        lab.heal("kiel")
        lab.until_synced()
    assert not list(Path(folder).iterdir())
print(json.dumps(status))
