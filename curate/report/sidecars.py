"""The pairs beside the page, `report/pairs/`: scripts of pure data, since a page opened from a disk may load no other.

`index.js` holds what filters and sorting need of every pair; `0.js`, `1.js`, ... hold `CHUNK` pairs each with their
pictures and texts, loaded when they come into view. Whatever is in them is shown as text or as a picture, never run.
"""

from __future__ import annotations

import base64
import json
import shlex
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.report.pairs import CHANGES, Gallery, Pair, Place
from curate.report.pictures import Shown
from curate.report.text import is_link, shortened, visible
from curate.store import Store

CHUNK = 24
_LEDGER = ["decision", "rule", "status", "detail", "score", "threshold", "benchmark", "match_shard", "match_key"]


def write(store: Store, galleries: list[Gallery], pictures: dict[Place, Shown], review: dict[str, Any]) -> None:
    """Write the pairs of all galleries, in their order, and delete what an earlier, longer report left."""
    pairs = [pair for gallery in galleries for pair in gallery.pairs]
    ledger = _ledger(store, {pair.sample for pair in pairs})
    chunks = [pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK)]
    for number, chunk in enumerate(chunks):
        told = [_told(store, pair, pictures, ledger[pair.sample]) for pair in chunk]
        _write_script(store, str(number), told)
    _write_script(store, "index", _index(galleries, review))
    _delete_leftovers(store, len(chunks))


def _index(galleries: list[Gallery], review: dict[str, Any]) -> dict[str, Any]:
    """Columns of equal length, a value a pair; `gallery`, `kind`, `changes` (bits) refer to the lists beside."""
    of = [(number, pair) for number, gallery in enumerate(galleries) for pair in gallery.pairs]
    kinds = sorted({pair.kind for _, pair in of})
    return {
        "chunk": CHUNK,
        "galleries": [{"name": g.name, "shown": len(g.pairs), "total": g.total} for g in galleries],
        "kinds": kinds,
        "changes": CHANGES,
        "pairs": {
            "name": [pair.name for _, pair in of],
            "gallery": [number for number, _ in of],
            "kind": [kinds.index(pair.kind) for _, pair in of],
            "score": [round(pair.score, 4) for _, pair in of],
            "changes": [sum(1 << CHANGES.index(change) for change in pair.changes) for _, pair in of],
            "sample": [_place(pair.sample) for _, pair in of],
            "match": [_place(pair.match) for _, pair in of],
            "drawn": [pair.drawn for _, pair in of],
        },
        **review,
    }


def _told(store: Store, pair: Pair, pictures: dict[Place, Shown], ledger: dict[str, Any]) -> dict[str, Any]:
    named = visible(f"{pair.sample.shard}:{pair.sample.key}")
    return {
        "name": pair.name,
        "evidence": visible(pair.evidence),
        "view": visible(pair.view),
        "ledger": [[name, _value(value)] for name, value in ledger.items() if value is not None],
        "explain": shlex.join(["curate", "explain", visible(store.root), named]),
        "pictures": [_picture(pictures.get(place)) for place in (pair.sample, pair.match)],
    }


def _picture(shown: Shown | None) -> dict[str, Any]:
    if shown is None:
        return {"jpeg": ""}
    texts = {name: getattr(shown, name) for name in ("caption", "label", "url")}
    told = {name: shortened(visible(text)) for name, text in texts.items() if text is not None}
    link = {"link": shown.url} if is_link(shown.url) else {}
    return {"jpeg": base64.b64encode(shown.jpeg).decode("ascii"), "grey": shown.is_grey, **told, **link}


def _ledger(store: Store, samples: set[Place]) -> dict[Place, dict[str, Any]]:
    """The row of each sample in `decisions`."""
    by_shard: dict[str, list[str]] = {}
    for sample in samples:
        by_shard.setdefault(sample.shard, []).append(sample.key)
    found: dict[Place, dict[str, Any]] = {}
    for shard, keys in by_shard.items():
        table = store.dataset("decisions").read(shard, ["key", *_LEDGER])
        rows = table.filter(pc.is_in(table["key"], value_set=pa.array(keys))).to_pylist()
        found |= {Place("", shard, row.pop("key")): row for row in rows}
    return found


def _place(place: Place) -> str:
    return visible(f"{place.shard}:{place.key}")


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))


def _write_script(store: Store, name: str, data: Any) -> None:
    """`take(NAME, JSON)`; JSON in ASCII is a JavaScript literal, whatever it says."""
    script = f"take({json.dumps(name)}, {json.dumps(data, separators=(',', ':'))});\n"
    store.write_bytes(script.encode("ascii"), "report", "pairs", f"{name}.js")


def _delete_leftovers(store: Store, chunks: int) -> None:
    for path in store.fs.ls(store.path("report", "pairs"), detail=False):
        name = path.rpartition("/")[2]
        number = name.removesuffix(".js")
        if number.isdecimal() and int(number) >= chunks:
            store.delete("report", "pairs", name)
