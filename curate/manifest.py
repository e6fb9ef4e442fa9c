"""The manifest of a dataset: written last, once every part is there; what a reader checks first."""

from __future__ import annotations

import platform
from collections import Counter
from importlib import metadata
from typing import Any

from curate.errors import StaleError
from curate.store import Dataset, Footer, digest_of

_LIBRARIES = ("curate", "faiss-cpu", "numpy", "opencv-python-headless", "openvino", "pillow", "pyarrow", "simplejpeg")


def sign(data: Dataset, footers: dict[str, Footer], made_from: dict[str, Any], seconds: float) -> None:
    """Write a dataset's manifest, the last thing written of it; one that says the same already stays as it is."""
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
        made = {"seconds": round(seconds, 3), "versions": _versions()}
        data.store.write_json({**manifest, **made}, data.name, "manifest.json")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
