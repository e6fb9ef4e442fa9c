"""The exchange of a run on two Ray nodes of this machine; the second is killed in the middle of `links`, and a new
second one in the middle of `duplicates`.

    python -m tests.stages.lost_node RUN.json LEFT.json

A process of its own, since the tests' is connected to another cluster. Writes how many parts of each stage were still
to be made when the node was lost.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from curate.config import parse
from curate.executors import Ray, Serial
from curate.progress import Progress
from curate.runfile import RunFile
from curate.runner import run

_NODE: dict[str, Any] = {
    **{"num_cpus": 1, "object_store_memory": 80 * 2**20},
    **{"include_dashboard": False, "node_ip_address": "127.0.0.2"},
}
_SOON_MISSED = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}


class Killer:
    """Watches a stage, and kills the second node without warning when one part is there and others are not.

    The runner tells its progress before it hands out more, so that what this node holds is lost, or not yet begun.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._second = cluster.add_node(**_NODE)
        self.left = 0
        """Parts that were still to be made."""

    def __call__(self, progress: Progress) -> None:
        if self._second and progress.done:
            self._cluster.remove_node(self._second, allow_graceful=False)
            self._second, self.left = None, progress.parts - progress.done


def main(run_file: str, out: str) -> None:
    """Bring the stages up to date, one after another."""
    settings = parse(RunFile, json.loads(Path(run_file).read_text()), run_file)
    cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "_system_config": _SOON_MISSED})
    try:
        links = Killer(cluster)
        run(settings, Ray(cluster.address), links, stage="links")
        for stage in ("plan", "bundles"):  # of one part each
            run(settings, Serial(), lambda progress: None, stage=stage)
        duplicates = Killer(cluster)
        run(settings, Ray(cluster.address), duplicates, stage="duplicates")
        Path(out).write_text(json.dumps([links.left, duplicates.left]))
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
