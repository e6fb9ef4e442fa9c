"""What a finished run used, from its manifests and files; and the rates that follow from it."""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from curate.bill.case import Case, Load, Need
from curate.bill.laws import LAWS
from curate.bill.rates import Rates, StageRate, Yields
from curate.errors import CurateError
from curate.runfile import RunFile
from curate.steps import dataset_names
from curate.store import Store

_PAYLOAD = ("shards", "clean", "images")
"""Datasets that hold the samples themselves."""
_OPENED = 16
"""Parts whose columns are looked at."""


_HEADERS = 80
"""Bytes of a column of a part that are there however few its rows: headers of its pages."""


@dataclass(frozen=True)
class Used:
    """What a stage of a finished run used; CPU and memory are None where it was made in several goes."""

    rows: int
    bytes: int
    seconds: float
    opening_s: float
    workers: int
    cpu_s: float | None
    memory: int | None

    @property
    def whole_s(self) -> float | None:
        """CPU seconds, those of opening too."""
        return None if self.cpu_s is None else self.cpu_s + self.opening_s


def used(store: Store, stage: str) -> Used | None:
    """What a stage used; None where it is not finished."""
    manifest = store.read_json(stage, "manifest.json")
    if manifest is None:
        return None
    cpu, size = manifest.get("cpu", {}), sum(_files(store, stage).values())
    workers, told = max(1, cpu.get("workers", 0)), (cpu.get("making"), manifest.get("memory"))
    return Used(manifest["count"], size, manifest["seconds"], cpu.get("opening", 0.0), workers, *told)


def _files(store: Store, stage: str) -> dict[str, int]:
    """Parts and tars of a dataset: path -> bytes."""
    listed = store.fs.ls(store.path(stage), detail=True)
    return {f["name"]: int(f["size"]) for f in listed if f["name"].endswith((".parquet", ".tar"))}


def measured(run: RunFile, store: Store, given: Rates, date: str) -> Rates:
    """The rates that a finished run tells, CurateError when it is not; what it does not tell stays as `given`."""
    if store.read_json("clean", "manifest.json") is None:
        raise CurateError(f"{store.root}: not finished, so it tells no rates; run it to its end first")
    load = loaded(run, store, given)
    case = Case(run, load, given)
    embedding = run.signatures.embedding
    told = dict(given.of(embedding))
    for name in dataset_names(run):
        if (rate := _rate(case, store, name)) is not None:
            told[name] = rate
    return given.model_copy(
        update={
            "date": date,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "how": f"a run of {load.samples:,} samples and {load.images:,} benchmark images; pairs as they stood",
            "yields": _yields(store, load, run, given),
            "stages": {**given.stages, embedding: told},
        }
    )


def loaded(run: RunFile, store: Store, given: Rates) -> Load:
    """What a finished run handled."""
    signed, views = _manifest(store, "signatures"), _manifest(store, "views")
    kept, copies = _manifest(store, "clean")["count"], _manifest(store, "duplicates")["count"]
    tars = [size for path, size in _files(store, "clean").items() if path.endswith(".tar")]
    size = sum(tars) / kept if kept else given.yields.sample_bytes
    fetched = _manifest(store, "shards")["statuses"].get("success", 0) if run.urls else signed["count"]
    seen = store.dataset("views").read_all(["view"])["view"].to_pylist()
    return Load(
        samples=signed["count"],
        shards=len(signed["parts"]),
        sample_bytes=size,
        fetched=fetched,
        readable=signed["statuses"].get("ok", 0),
        duplicates=copies,
        kept=kept,
        images=sum(view in ("whole", "none") for view in seen),
        image_shards=len(views["parts"]),
        image_bytes=size,
    )


def _manifest(store: Store, name: str) -> dict[str, Any]:
    return store.read_json(name, "manifest.json") or {}


def _yields(store: Store, load: Load, run: RunFile, given: Rates) -> Yields:
    """Shares of a run; a share of nothing stays as given."""
    readable, old = load.readable, given.yields
    return Yields(
        source=f"of the run that told the rates, {load.samples:,} samples",
        fetched=load.fetched / load.samples if run.urls and load.samples else old.fetched,
        readable=readable / load.fetched if load.fetched else old.readable,
        contaminated=_manifest(store, "contamination")["count"] / readable if readable else old.contaminated,
        duplicates=load.duplicates / readable if readable else old.duplicates,
        kept=load.kept / readable if readable else old.kept,
        aligned=_aligned(Case(run, load, given), store),
        sample_bytes=load.sample_bytes,
    )


def _aligned(case: Case, store: Store) -> float:
    """Alignments a sample in `duplicates`: what it took beyond searching. Its search is told by large runs alone."""
    took = used(store, "duplicates")
    if took is None or took.cpu_s is None or not case.embeds or not case.load.readable:
        return case.rates.yields.aligned
    searching = case.rate("duplicates").cpu_s * case.load.readable
    return max(0.0, took.cpu_s - searching) / case.rates.pairs.alignment_s / case.load.readable


def _rate(case: Case, store: Store, name: str) -> StageRate | None:
    """The rate of one stage; None where the run tells none, since it had nothing to do or was made in several goes."""
    took, need, old = used(store, name), LAWS[name](case), case.rate(name)
    parts = len(_manifest(store, name).get("parts", ()))
    if took is None or took.cpu_s is None or not need.units or not parts:
        return None
    columns, overhead = _columns(store, name)
    payload = need.units * case.load.sample_bytes if name in _PAYLOAD else 0
    payload = case.load.fetched * case.load.sample_bytes if name == "shards" else payload
    payload = need.payload if name in ("keys", "bundles") else payload
    columns_each = {column: size / took.rows for column, size in columns.items()} if name == "signatures" else {}
    return old.model_copy(
        update={
            **(_cpu(took.cpu_s, need) if name != "duplicates" else {}),
            "rows": took.rows / need.units,
            "bytes": (took.bytes - payload - parts * overhead) / need.units,
            "part_bytes": overhead,
            "opening_s": took.opening_s / took.workers,
            "memory": max(0.0, (took.memory or 0) - need.memory),
            "images": case.load.images if name == "contamination" else 0,
            "columns": columns_each,
        }
    )


def _cpu(cpu_s: float, need: Need) -> dict[str, float]:
    """CPU seconds a unit, less what goes with pairs."""
    return {"measured_on": round(need.units), "cpu_s": max(0.0, cpu_s - need.cpu) / need.units}


def _columns(store: Store, name: str) -> tuple[Counter[str], float]:
    """Stored bytes by column, of all parts, and the bytes of a part beside them; some parts stand for all."""
    parts = [path for path in _files(store, name) if path.endswith(".parquet")]
    chosen = parts[:: -(-len(parts) // _OPENED)] if parts else []
    columns: Counter[str] = Counter()
    beside = 0
    for path in chosen:
        with store.fs.open(path, "rb") as file:
            metadata = pq.read_metadata(file)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        own: Counter[str] = Counter()
        for group in groups:
            for i in range(group.num_columns):
                column = group.column(i)
                rows = max(0, column.total_compressed_size - _HEADERS)
                own[column.path_in_schema.partition(".")[0]] += rows
        columns += own
        beside += int(store.fs.size(path)) - own.total()
    scale = len(parts) / max(1, len(chosen))
    return Counter({name: round(size * scale) for name, size in columns.items()}), beside / max(1, len(chosen))
