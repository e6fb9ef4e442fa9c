"""Audit: stored signatures matched with a benchmark, against FAISS's bare flat indexes over the same vectors and bits.

What a further benchmark of 50,000 images costs once the corpus is signed. Each sample is searched in the whole
benchmark and verified by itself, so that both sides grow as the samples do: the ratio of these stands for a million.
Fewer would not do: below 500 queries at once FAISS 1.15 goes without BLAS and takes ten times as long for each, beside
which all else looks cheap.

The pictures are drawn, ten kinds of them, so a sample has about as many images that must be looked at as it would have
among photographs of one kind. Further images, of random vectors and bits in all the views that an image has, make the
benchmark as large as real ones are: they cost search, and are never proposed.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from curate.demo.pictures import KINDS
from curate.ops.columns import present, vectors
from curate.ops.views import QUARTERS
from curate.sources import Sample
from curate.stages import contamination, proposals, signatures, views
from curate.stages.benchmark import Benchmark
from curate.stages.contamination import CORPUS_COLUMNS, ContaminationSettings
from curate.stages.proposals import Corpus
from curate.stages.signatures import SignaturesSettings
from tests.pictures import encode

CORPUS, IMAGES, FURTHER, ASKED = 600, 100, 49_900, 2
ROUNDS = 3
"""Each is taken so often, in turn and with indexes made anew, and its least counts: what runs beside only adds."""
DIMS, BLOCK = 256, 100
"""Length of a vector; further images made at a time."""
Work = Callable[[], Any]


def main() -> None:
    """Print seconds of CPU of the bare search, of ours, and with verification; and where the rest goes."""
    with threadpool_limits(1):
        _compare()


def _compare() -> None:
    signed, seen = _material()
    rounds = [[_seconds(work(signed, seen)) for work in (_bare, _search, _whole)] for _ in range(ROUNDS)]
    (_, _), (_, pairs), (_, matches) = rounds[0]
    bare, search, whole = (min(seconds for seconds, _ in taken) for taken in zip(*rounds, strict=True))
    core = os.environ.get("OPENBLAS_CORETYPE", "not set")
    images = IMAGES + FURTHER
    print(f"{len(signed):,} samples, {images:,} images in {len(seen):,} views; one core, OPENBLAS_CORETYPE {core}")
    for name, taken in (("bare FAISS flat indexes", bare), ("our search", search), ("with verification", whole)):
        print(f"  {name:24}{taken:8.3f} s of CPU{taken / bare:8.2f}")
    each = 1000 * (whole - search) / max(1, len(pairs))
    print(f"  asked: at most {ASKED:.2f}; {len(matches):,} matches")
    print(f"  {len(pairs) / len(signed):.1f} pairs proposed a sample; verification {each:.2f} ms each")


def _bare(signed: pa.Table, seen: pa.Table) -> Work:
    """The same searches by FAISS alone, its indexes built beforehand."""
    _, queries = vectors(signed["embedding"])
    _, references = vectors(seen["embedding"])
    cosine = faiss.IndexFlatIP(references.shape[1])
    cosine.add(references.astype(np.float32))
    rows, bits = present(seen["hash256"])
    every, upright = faiss.IndexBinaryFlat(256), faiss.IndexBinaryFlat(256)
    every.add(bits)
    upright.add(bits[pc.equal(seen["view"], "whole").to_numpy()[rows]])
    asked = {name: present(signed[f"hash256_{name}"])[1] for name in ("whole", "square", *QUARTERS)}
    settings = ContaminationSettings()

    def search() -> None:
        cosine.range_search(queries.astype(np.float32), settings.min_cosine)
        for name, hashes in asked.items():
            (upright if name in QUARTERS else every).range_search(hashes, settings.radius + 1)

    return search


def _search(signed: pa.Table, seen: pa.Table) -> Work:
    """Our search: the pairs that it proposes."""
    settings = ContaminationSettings(engine="faiss")
    benchmark, corpus = Benchmark(seen, "faiss"), Corpus(signed)
    return lambda: [
        *proposals.hashes_near(corpus, benchmark, settings),
        *proposals.embeddings_near(corpus, benchmark, settings),
    ]


def _whole(signed: pa.Table, seen: pa.Table) -> Work:
    """Our search and verification: the matches."""
    match = contamination.make(ContaminationSettings(engine="faiss"), seen)
    return lambda: match(signed)


def _material() -> tuple[pa.Table, pa.Table]:
    """Signatures of the corpus, and views of the benchmark."""
    signing = SignaturesSettings()
    samples = [Sample(str(number), (("jpg", _drawn(number)),)) for number in range(CORPUS + IMAGES)]
    signed = signatures.make(signing)("00000", samples[:CORPUS]).select(CORPUS_COLUMNS)
    seen = views.make(signing)("drawn", "00000", samples[CORPUS:])
    one = seen.filter(pc.equal(seen["key"], seen["key"][0]))
    return signed, pa.concat_tables([seen, *_further(one)])


def _drawn(number: int) -> bytes:
    name = sorted(KINDS)[number % len(KINDS)]
    picture = KINDS[name](np.random.default_rng([7, number]), (320, 240)).image
    return encode(picture.convert("RGB"), "JPEG", quality=90)


def _further(like: pa.Table) -> Iterator[pa.Table]:
    """Views of contract `views` of images that nothing is like, in blocks; each image has the views of `like`."""
    rows, block = BLOCK * len(like), pa.concat_tables([like] * BLOCK).combine_chunks()
    hashed, embedded = (block[name].is_valid().combine_chunks() for name in ("hash256", "embedding"))
    none = dict.fromkeys(("sha256", "preview", "thumbnail", "details"))
    for name, value in {"benchmark": "further", "shard": "further", **none}.items():
        block = _with(block, name, pa.array([value] * rows, block.schema.field(name).type))
    kind, rng = block.schema.field("embedding").type, np.random.default_rng(0)
    ends = np.concatenate([[0], np.cumsum(embedded.to_numpy(zero_copy_only=False))]) * DIMS
    for start in range(0, FURTHER, BLOCK):
        units = rng.standard_normal((ends[-1] // DIMS, DIMS), np.float32)
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        bits, clear = pa.py_buffer(rng.bytes(32 * rows)), hashed.buffers()[1]
        made = {
            "key": pa.array(np.repeat(np.arange(start, start + BLOCK), len(like))).cast(pa.string()),
            "hash256": pa.Array.from_buffers(pa.binary(32), rows, [clear, bits]),
            "embedding": pa.ListArray.from_arrays(
                pa.array(ends, pa.int32()), units.astype(np.float16).reshape(-1), kind, mask=pc.invert(embedded)
            ),
        }
        for name, column in made.items():
            block = _with(block, name, column)
        yield block


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), column)


def _seconds(work: Work) -> tuple[float, Any]:
    gc.collect()  # the indexes of the work before hold gigabytes
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


if __name__ == "__main__":
    main()
