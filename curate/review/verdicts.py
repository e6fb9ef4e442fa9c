"""Verdicts on matches: `RUN/review/verdicts.jsonl`, one judgement a line, appended; the last of a pair counts.

They overrule the audit: a match judged `different` drops its sample no longer.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from curate.contracts import contract
from curate.errors import DigestError, RunLockedError
from curate.store import Store

PAIR = ["benchmark", "benchmark_shard", "benchmark_key", "shard", "key"]
"""The columns that name a match, in `contamination` as in `verdicts`."""
_FILE = ("review", "verdicts.jsonl")


def name_of(row: Mapping[str, Any]) -> str:
    """The name of a pair in links and on the wire: 16 hex digits of the columns `PAIR`, which stay the same."""
    named = json.dumps([row[column] for column in PAIR])
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def judged(row: Mapping[str, Any], verdict: str, reviewer: str) -> dict[str, str]:
    """A verdict of now on the match `row`: one row of contract `verdicts`."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**{column: row[column] for column in PAIR}, "verdict": verdict, "reviewer": reviewer, "time": now}


def append(store: Store, verdict: dict[str, str]) -> None:
    """Add one line, whole or not at all for readers: on a disk in one write under a lock, else as one PUT."""
    contract("verdicts").check(_table([verdict]), store.path(*_FILE))
    line = json.dumps(verdict).encode("ascii") + b"\n"
    if not store.is_local:
        store.write_bytes(_whole_lines(_read(store)) + line, *_FILE)
        return
    os.makedirs(store.path(_FILE[0]), exist_ok=True)
    with _no_run_at_work(store), open(store.path(*_FILE), "a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(len(_whole_lines(_read(store))))
        file.write(line)
        os.fsync(file.fileno())


@contextmanager
def _no_run_at_work(store: Store) -> Iterator[None]:
    """RunLockedError while `curate run` works here: what its parts are made from must not change under it."""
    with open(store.path(".lock"), "a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLockedError(f"{store.root}: `curate run` is working in this run; judge when it is done") from None
        yield


def read(store: Store) -> pa.Table:
    """Verdicts that stand: contract `verdicts`, one row a pair; DigestError names a line that is none."""
    last: dict[str, dict[str, str]] = {}
    for number, line in enumerate(_whole_lines(_read(store)).splitlines(), 1):
        verdict = _parsed(line)
        if verdict is None:
            raise DigestError(f"{store.path(*_FILE)}: line {number} is no verdict; delete that line")
        last[name_of(verdict)] = verdict
    return _table([verdict for verdict in last.values() if verdict["verdict"] != "withdrawn"])


def overruled(store: Store) -> dict[str, list[list[str]]]:
    """The matches judged `different`, as sorted values of `PAIR`, by corpus shard; shards without any are left out."""
    found: dict[str, list[list[str]]] = {}
    for row in read(store).to_pylist():
        if row["verdict"] == "different":
            found.setdefault(row["shard"], []).append([row[column] for column in PAIR])
    return {shard: sorted(pairs) for shard, pairs in sorted(found.items())}


def upheld(matches: pa.Table, overruled: Sequence[Sequence[str]]) -> pa.Table:
    """The matches without those overruled (values of `PAIR`); order and columns stay."""
    if not overruled:
        return matches
    gone = set(map(tuple, overruled))
    rows = matches.select(PAIR).to_pylist()
    return matches.filter(pa.array([tuple(row.values()) not in gone for row in rows], pa.bool_()))


def reviewer() -> str:
    """Who reviews, unless said otherwise: the user's name on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def _parsed(line: bytes) -> dict[str, str] | None:
    """A line as a row of contract `verdicts`, or None; quicker than to hold each line against the contract itself."""
    columns = {column.name: column for column in contract("verdicts").columns}
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or set(row) != set(columns) or not all(isinstance(v, str) for v in row.values()):
        return None
    return row if row["verdict"] in columns["verdict"].values else None


def _table(rows: list[dict[str, str]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=contract("verdicts").schema)


def _read(store: Store) -> bytes:
    try:
        return bytes(store.fs.cat_file(store.path(*_FILE)))
    except FileNotFoundError:
        return b""


def _whole_lines(text: bytes) -> bytes:
    """Without half a line at the end, which a killed process left: it counts as not said."""
    return text[: text.rfind(b"\n") + 1]
