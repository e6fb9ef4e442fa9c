"""The manifest of a dataset: written last, once every part is there; what a reader checks first."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from curate.errors import StaleError
from curate.store import Dataset, Footer, digest_of

_LIBRARIES = ("curate", "faiss-cpu", "numpy", "opencv-python-headless", "openvino", "pillow", "pyarrow", "simplejpeg")


@dataclass(frozen=True)
class Spent:
    """What parts took: CPU seconds of all threads, to open the stage and to make the parts; most memory held, B; and
    how many workers opened the stage.
    """

    opening: float = 0
    making: float = 0
    memory: int = 0
    workers: int = 0

    def __add__(self, other: Spent) -> Spent:
        memory = max(self.memory, other.memory)
        workers = self.workers + other.workers
        return Spent(self.opening + other.opening, self.making + other.making, memory, workers)

    def cpu(self) -> dict[str, float]:
        """As the manifest says it."""
        return {"opening": round(self.opening, 3), "making": round(self.making, 3), "workers": self.workers}


class Meter:
    """Reads what this process spends from here on; the most memory is that since the process began."""

    def __init__(self) -> None:
        self._began = self._opened = time.process_time()
        self._workers = 0

    def opened(self) -> None:
        """What was spent until now opened the stage."""
        self._opened, self._workers = time.process_time(), 1

    def read(self) -> Spent:
        unit = 1 if sys.platform == "darwin" else 1024
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        making = time.process_time() - self._opened
        return Spent(self._opened - self._began, making, memory, self._workers)


def sign(data: Dataset, footers: dict[str, Footer], made_from: dict[str, Any], cost: dict[str, Any]) -> None:
    """Write a dataset's manifest, the last thing written of it; one that says the same already stays as it is.

    `cost` stands in it beside what was made: `seconds`; and, where all parts were made in one go, `cpu` and `memory`.
    """
    facts = {digest_of(f.facts): f.facts for f in footers.values() if f.facts}
    if len(facts) > 1:
        raise StaleError(
            f"{data.store.path(data.name)}: its parts were made with different models: {list(facts.values())}"
        )
    statuses: Counter[str] = Counter()
    for footer in footers.values():
        statuses.update(footer.statuses)
    manifest = {
        "dataset": data.name,
        "contract": data.contract.version,
        **made_from,
        "parts": {part: {"recipe": f.recipe, "rows": f.rows, "count": f.count} for part, f in sorted(footers.items())},
        "content": digest_of({part: f.rows for part, f in footers.items()}),
        "count": sum(f.count for f in footers.values()),
        "statuses": dict(sorted(statuses.items())),
        "model": next(iter(facts.values()), None),
    }
    old = data.store.read_json(data.name, "manifest.json") or {}
    if {k: old.get(k) for k in manifest} != manifest:
        data.store.write_json({**manifest, **cost, "versions": _versions()}, data.name, "manifest.json")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
