"""The audit's files in RUN/report/: its table in four forms, and the lists of what is to be removed."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.report import audit_removal, audit_table
from curate.report.numbers import Summary
from curate.report.shards import Shards
from curate.runfile import RunFile
from curate.store import Store

_NPY = "removed_uids.npy"


def write(run: RunFile, store: Store, summary: Summary, shards: Shards) -> dict[str, Any]:
    """Write the table and the lists; of these: how many `samples` and `uids`, and `no_uids`, why there is no .npy."""
    rows, found = summary.benchmarks, audit_removal.removed(run, store, shards)
    samples = found.table.group_by(["shard", "key"]).aggregate([]).num_rows
    uids = [] if found.no_uids else found.table["uid"].to_pylist()
    said = {"samples": samples, "uids": len(set(uids)), "no_uids": found.no_uids}
    store.write_bytes(audit_table.as_csv(rows), "report", "audit.csv")
    store.write_bytes(audit_table.as_latex(rows), "report", "audit.tex")
    store.write_bytes(_parquet(audit_table.as_parquet(rows)), "report", "audit.parquet")
    store.write_json(audit_table.as_json(rows, summary.proved, said), "report", "audit.json")
    store.write_bytes(audit_removal.as_text(found.table), "report", "removed_keys.txt")
    store.write_bytes(_parquet(found.table), "report", "removed_keys.parquet")
    if found.no_uids:
        store.delete("report", _NPY)  # one of an earlier state of the run would tell another story
    else:
        store.write_bytes(audit_removal.as_npy(uids), "report", _NPY)
    return said


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()
