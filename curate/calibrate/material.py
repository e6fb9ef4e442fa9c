"""What a calibration looks at: a benchmark's images as views, edited copies of some, a sample of the corpus."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import sources
from curate.benchmarks import check_count
from curate.errors import SourceError
from curate.ops.edits import EDITS
from curate.sources import Sample, Shard, SourceSettings
from curate.stages import views
from curate.stages.recall import Copy, as_samples, edited
from curate.stages.signatures import SignaturesSettings, Signer

MOST_IMAGES = 1000
"""Images of a benchmark that are looked at, chosen by digest; more add time, but little to what is known."""
_SHARDS = 20
"""Shards of the corpus that are read, spread evenly over the list; of each only as much from its front as is needed."""
_SEED = -1
"""No audit's seed: the copies that it measures its recall with are others than those that chose its thresholds."""


class Images(NamedTuple):
    """The images of a benchmark that are looked at: their views, and how many it has and cannot be read."""

    views: pa.Table
    total: int
    unreadable: int


class Signed(NamedTuple):
    """Samples by their signatures; of copies, what each is made of."""

    signatures: pa.Table
    copies: Sequence[Copy] = ()


def look(name: str, where: SourceSettings, signing: SignaturesSettings) -> Images:
    """Sign a benchmark's images, at most 1,000; SourceError where there are not at least two that can be read."""
    shards = sources.find(where)
    digests = {
        (shard.name, sample.key): hashlib.sha256(sample.image or b"").digest()
        for shard in shards
        for sample in sources.read(shard)
    }
    check_count(name, len(digests))
    chosen = set(nsmallest(MOST_IMAGES, digests, key=lambda place: (_draw("images", digests[place]), place)))
    see = views.make(signing)
    seen = pa.concat_tables(see(name, shard.name, _only(shard, chosen)) for shard in shards)
    read = seen.filter(pc.equal(seen["status"], "ok"))
    left = len(read.group_by(["shard", "key"]).aggregate([]))
    if left < 2:
        why = Counter(pc.filter(seen["status"], pc.not_equal(seen["status"], "ok")).to_pylist())
        faults = "".join(f"; {count:,} {status}" for status, count in why.most_common())
        raise SourceError(
            f"benchmark `{name}` ({where.path}): {left} image(s) of {len(chosen):,} can be read{faults}. A calibration "
            "holds copies against other images: it needs at least 2."
        )
    return Images(read, len(digests), len(chosen) - left)


def copies(images: Images, where: SourceSettings, signer: Signer, each: int, max_pixels: int) -> Signed:
    """Every edit of `each` images of the benchmark: the same images for all edits, so that twins among them show."""
    first = images.views.group_by(["shard", "key", "sha256"], use_threads=False).aggregate([]).to_pylist()
    of = {row["sha256"]: (row["shard"], row["key"]) for row in reversed(first)}
    chosen = {of[digest] for digest in nsmallest(each, of, key=lambda digest: _draw("copies", digest))}
    made: list[Copy] = []
    for shard in sources.find(where):
        wanted = {key: list(EDITS) for name, key in sorted(chosen) if name == shard.name}
        if wanted:
            found = edited(sources.read(shard), wanted, _SEED, max_pixels)
            made += [one._replace(key=f"{shard.name}:{one.key}", ground=f"{shard.name}:{one.ground}") for one in found]
    if not made:
        raise SourceError(f"{where.path}: its images are too small or too narrow to be edited")
    return Signed(signer("copies", as_samples(made)), made)


def corpus(where: SourceSettings, signer: Signer, count: int, max_bytes: int) -> Signed:
    """Sign up to `count` readable samples of a corpus, from the front of shards that are spread over its list."""
    found = sources.find(where)
    spread = np.unique(np.linspace(0, len(found) - 1, min(_SHARDS, len(found))).round().astype(int))
    each = -(-count // len(spread))
    tables = [
        signer(found[at].name, islice((s for s in sources.read(found[at], max_bytes) if s.image), each))
        for at in spread
    ]
    signed = pa.concat_tables(tables)
    good = signed.filter(pc.equal(signed["status"], "ok")).slice(0, count).combine_chunks()
    if not len(good):
        raise SourceError(f"{where.path}: none of the {len(signed):,} samples looked at can be read")
    return Signed(good)


def _only(shard: Shard, chosen: set[tuple[str, str]]) -> Iterator[Sample]:
    return (sample for sample in sources.read(shard) if (shard.name, sample.key) in chosen)


def _draw(what: str, digest: bytes) -> bytes:
    return hashlib.sha256(what.encode() + digest).digest()
