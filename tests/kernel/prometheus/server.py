"""The real Prometheus, in a network namespace, with a folder of its own."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kernel.prometheus.conftest import until
from tests.namespaces import Namespace

ADDRESS = "127.0.0.1:9090"
ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "docs" / "prometheus" / "alerts.yml"
CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{alerts}"]
scrape_configs:
  - job_name: stellwerk
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """A Prometheus that scrapes one target each second."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def api(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its API. Raises OSError with its words where it refuses."""

        def fetch() -> Any:
            url = f"http://{ADDRESS}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
            try:
                with urllib.request.urlopen(url, timeout=20) as answer:
                    return json.load(answer)["data"]
            except urllib.error.HTTPError as exc:
                with exc:
                    raise OSError(f"{url}: {exc.read().decode()}") from None

        return self._namespace.run(fetch)

    def query(self, expression: str) -> list[float]:
        """Return the values of an expression now."""
        return [float(one["value"][1]) for one in self.api("query", query=expression)["result"]]

    def ready(self) -> bool:
        """Return whether it has scraped its target."""
        try:
            return self.query('up{job="stellwerk"}') == [1.0]
        except OSError:
            return False


@contextmanager
def prometheus(namespace: Namespace, folder: Path, target: str) -> Iterator[Prometheus]:
    """Give a Prometheus that scrapes the target, once it has done so."""
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(alerts=ALERTS, target=target))
    words = [
        *("prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"),
        *(f"--web.listen-address={ADDRESS}", "--log.level=warn", "--query.timeout=10s"),
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = namespace.run(lambda: subprocess.Popen(words, stdout=log, stderr=log, cwd=folder))
    try:
        found = Prometheus(namespace)
        until(lambda: found.ready() or process.poll() is not None, "Prometheus has scraped the node")
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        yield found
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
