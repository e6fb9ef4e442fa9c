"""Read back what became of a sample: its decision, its facts, and the pair that decided it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc
from rich.table import Table
from rich.text import Text

from curate.errors import CurateError
from curate.report.pairs import in_words
from curate.review import verdicts
from curate.runfile import RunFile
from curate.sources.base import printable
from curate.steps.ordered import Ordered
from curate.store import Store

_FACTS = ("caption", "message", "bytes", "format", "width", "height", "contrast", "sharpness", "entropy", "one_colour")


def explain(settings: RunFile, store: Store, key: str) -> Iterator[Table | Text]:
    """Yield what to print about every sample of this key (`KEY` or `SHARD:KEY`); CurateError when there is none."""
    del settings
    found = list(_find(store, "decisions", key))
    if not found:
        raise CurateError(f"{store.root}: no sample `{key}` in its decisions; keys are as in the shards, or SHARD:KEY")
    said = {verdicts.name_of(row): row for row in verdicts.read(store).to_pylist()}
    for decision in found:
        shard, name = decision["shard"], decision["key"]
        yield Text(printable(f"{shard}:{name}  {_sentence(decision)}"))
        yield _table("decision", decision)
        for facts in _rows(store, "signatures", shard, name):
            yield _table("signature", {field: facts[field] for field in _FACTS})
        for match in _rows(store, "contamination", shard, name):
            yield Text(printable(f"shows {match['benchmark']}:{match['benchmark_key']}: {in_words(match)}"))
            yield _table("match", match)
            if verdicts.name_of(match) in said:
                verdict = said[verdicts.name_of(match)]
                yield _table("judged", {name: verdict[name] for name in ("verdict", "reviewer", "time")})
        for copy in _copy(store, decision):
            yield Text(printable(f"{_REPEATS[copy['kind']]} {_keeper(copy)}: {in_words(copy)}"))
            yield _table("duplicate" if copy["dropped"] else "like another, and kept", copy)
        yield from _copies(store, decision)


def _sentence(decision: dict[str, Any]) -> str:
    if decision["decision"] == "keep":
        return "is kept."
    said = {
        "status": f"is dropped: {decision['status']}.",
        "quality": f"is dropped: {decision['detail']} is {decision['score']}, the limit is {decision['threshold']}.",
        "contamination": f"is dropped: it shows {decision['benchmark']}:{decision['match_key']}.",
        "duplicate": f"is dropped: it repeats {_keeper(decision)}, which is kept.",
    }
    return said[decision["rule"]]


def _keeper(row: dict[str, Any]) -> str:
    """The kept sample that a decision or a duplicate names, with its run where that is another."""
    named = "match" if "match_key" in row else "keeper"
    run = f" of {row[f'{named}_run']}" if row[f"{named}_run"] else ""
    return f"{row[f'{named}_shard']}:{row[f'{named}_key']}{run}"


_REPEATS = {
    "byte_equal": "repeats",
    "near": "repeats",
    "overlaid": "is the same but for what is drawn over one as",
    "semantic": "is of like meaning as",
}


def _copy(store: Store, decision: dict[str, Any]) -> list[dict[str, Any]]:
    """The row of `duplicates` that the decision rests on, or that it was taken in spite of, if there is one."""
    if decision["rule"] not in ("duplicate", "none"):
        return []
    copies = Ordered(store.dataset("duplicates"), "shard").rows(decision["shard"])
    rows: list[dict[str, Any]] = copies.filter(pc.equal(copies["key"], decision["key"])).to_pylist()
    return rows


def _copies(store: Store, decision: dict[str, Any]) -> Iterator[Table]:
    """The samples that were dropped for this one."""
    data = store.dataset("duplicates")
    for copies in map(data.read, data.parts()):
        own = copies.filter(pc.is_null(copies["keeper_run"]))
        is_keeper = pc.and_(
            pc.equal(own["keeper_shard"], decision["shard"]), pc.equal(own["keeper_key"], decision["key"])
        )
        for row in own.filter(is_keeper).to_pylist():
            yield _table("dropped for this one" if row["dropped"] else "the same but for what is drawn over one", row)


def _find(store: Store, dataset: str, key: str) -> Iterator[dict[str, Any]]:
    shard, colon, name = key.partition(":")
    data = store.dataset(dataset)
    parts = data.parts()
    if colon and shard in parts:
        yield from _rows(store, dataset, shard, name)
        return
    for part in parts:
        yield from _rows(store, dataset, part, key)


def _rows(store: Store, dataset: str, part: str, key: str) -> list[dict[str, Any]]:
    table = store.dataset(dataset).read(part)
    rows: list[dict[str, Any]] = table.filter(pc.equal(table["key"], key)).to_pylist()
    return rows


def _table(title: str, row: dict[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in row.items():
        if value is not None:
            said = f"{value:.6g}" if isinstance(value, float) else printable(str(value))
            table.add_row(name, Text(said))  # Text: a caption must not be read as markup
    return table
