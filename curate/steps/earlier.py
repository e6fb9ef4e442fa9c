"""Finished runs that a run is held against: their kept samples, and the cells of their descriptors."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import CurateError
from curate.runfile import RunFile
from curate.store import Store

_SIGNED_ALIKE = ("embedding", "weights", "min_contrast")


def earlier(run: RunFile) -> list[Store]:
    """The stores of `[duplicates] against`, in their order; CurateError where one is not finished."""
    stores = [Store(path) for path in run.duplicates.against]
    for store in stores:
        manifest(store, "decisions")
    return stores


def content(run: RunFile) -> list[str]:
    """What is in them, as far as it counts."""
    names = ("signatures", "decisions")
    return [manifest(store, name)["content"] for store in earlier(run) for name in names]


def signed_alike(run: RunFile, mine: Store) -> None:
    """CurateError where an earlier run was signed in another way: its descriptors say nothing beside ours."""
    want = manifest(mine, "signatures")["settings"]
    for store in earlier(run):
        has = manifest(store, "signatures")["settings"]
        for name in _SIGNED_ALIKE:
            if has.get(name) != want.get(name):
                said = f"{name} {has.get(name)!r}, this run with {want.get(name)!r}"
                raise CurateError(
                    f"{store.root}: was signed with {said}; sign both alike to hold one against the other"
                )


def kept_count(run: RunFile) -> int:
    """How many samples they keep."""
    manifests = [store.dataset("decisions") for store in earlier(run)]
    return sum(pc.sum(pc.equal(t["decision"], "keep")).as_py() or 0 for d in manifests for t in _parts(d, ["decision"]))


def cells(run: RunFile) -> pa.Table | None:
    """The cells of the first of them that has some."""
    for store in earlier(run):
        if store.read_json("cells", "manifest.json") and len(found := store.dataset("cells").read_all()):
            return found
    return None


def _parts(data: Any, columns: list[str]) -> Any:
    return (data.read(part, columns) for part in data.parts())


def manifest(store: Store, name: str) -> dict[str, Any]:
    """The manifest of a dataset; CurateError where it is not finished."""
    found = store.read_json(name, "manifest.json")
    if found is None:
        raise CurateError(f"{store.path(name)}: not finished, so nothing can be held against it; finish that run first")
    return found
