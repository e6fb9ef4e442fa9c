"""Audit: matching stored signatures with a benchmark, against FAISS's bare flat indexes over the same vectors and bits.

What a further benchmark costs once the corpus is signed. The pictures are drawn, ten kinds of them, so a sample has
about as many images that must be looked at as it would have among photographs of one kind. Further images, of random
vectors and bits, make the benchmark as large as real ones are: they cost search, and are never proposed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from curate.contracts import contract
from curate.demo.pictures import KINDS
from curate.ops.columns import present, vectors
from curate.ops.views import QUARTERS
from curate.sources import Sample
from curate.stages import contamination, signatures, views
from curate.stages.benchmark import Benchmark
from curate.stages.contamination import CORPUS_COLUMNS, ContaminationSettings, Corpus
from curate.stages.signatures import SignaturesSettings
from tests.pictures import encode

CORPUS, IMAGES, FURTHER = 150, 100, 3000
VIEWS, DIMS = 20, 256
"""Views of each further image, each hashed and embedded."""


def main() -> None:
    """Print seconds of CPU of the bare search, of ours, and with verification; and where the rest goes."""
    with threadpool_limits(1):
        _compare()


def _compare() -> None:
    signed, seen = _material()
    settings = ContaminationSettings(engine="faiss")
    benchmark = Benchmark(seen, "faiss")
    bare = _seconds(partial(_bare(signed, benchmark, seen), settings))
    corpus = Corpus(signed)
    near = partial(contamination.hashes_near, corpus, benchmark, settings)
    pairs: list[Any] = []
    search = _seconds(lambda: pairs.extend([*near(), *contamination.embeddings_near(corpus, benchmark, settings)]))
    whole = _seconds(partial(contamination.make(settings, seen), signed))
    core = os.environ.get("OPENBLAS_CORETYPE", "not set")
    print(f"{len(signed):,} samples, {len(seen):,} views, one core, seconds of CPU; OPENBLAS_CORETYPE {core}")
    for name, taken in (("bare FAISS flat indexes", bare), ("our search", search), ("with verification", whole)):
        print(f"  {name:24}{taken:8.3f} s{taken / bare:8.2f}")
    each = 1000 * (whole - search) / max(1, len(pairs))
    print(f"  {len(pairs) / len(signed):.1f} pairs proposed a sample; verification {each:.2f} ms each")


def _bare(signed: pa.Table, benchmark: Benchmark, seen: pa.Table) -> Callable[[ContaminationSettings], None]:
    """The same searches by FAISS alone, its indexes built beforehand."""
    _, queries = vectors(signed["embedding"])
    _, references = vectors(seen["embedding"])
    cosine = faiss.IndexFlatIP(references.shape[1])
    cosine.add(references.astype(np.float32))
    _, bits = present(seen["hash256"])
    every, upright = faiss.IndexBinaryFlat(256), faiss.IndexBinaryFlat(256)
    every.add(bits)
    upright.add(bits[np.isin(np.flatnonzero(seen["hash256"].is_valid()), benchmark.upright.rows)])
    asked = {name: present(signed[f"hash256_{name}"])[1] for name in ("whole", "square", *QUARTERS)}

    def search(settings: ContaminationSettings) -> None:
        cosine.range_search(queries.astype(np.float32), settings.min_cosine)
        for name, hashes in asked.items():
            (upright if name in QUARTERS else every).range_search(hashes, settings.radius + 1)

    return search


def _material() -> tuple[pa.Table, pa.Table]:
    """Signatures of the corpus, and views of the benchmark."""
    signing = SignaturesSettings()
    samples = [Sample(str(number), (("jpg", _drawn(number)),)) for number in range(CORPUS + IMAGES)]
    signed = signatures.make(signing)("00000", samples[:CORPUS]).select(CORPUS_COLUMNS)
    seen = views.make(signing)("drawn", "00000", samples[CORPUS:])
    return signed, pa.concat_tables([seen, _further()]).combine_chunks()


def _drawn(number: int) -> bytes:
    name = sorted(KINDS)[number % len(KINDS)]
    picture = KINDS[name](np.random.default_rng([7, number]), (320, 240)).image
    return encode(picture.convert("RGB"), "JPEG", quality=90)


def _further() -> pa.Table:
    """Views of contract `views` of images that nothing is like."""
    rng = np.random.default_rng(0)
    rows = FURTHER * VIEWS
    units = rng.standard_normal((rows, DIMS), np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    hashes = rng.integers(0, 256, (rows, 32), np.uint8)
    columns: dict[str, Any] = {name: ["further"] * rows for name in ("benchmark", "shard")}
    columns |= {"key": [str(row // VIEWS) for row in range(rows)], "status": ["ok"] * rows}
    columns |= {"view": ["whole" if row % VIEWS == 0 else f"crop-{row % VIEWS}" for row in range(rows)]}
    columns |= {"hash256": [bits.tobytes() for bits in hashes], "embedding": list(units.astype(np.float16))}
    columns |= {
        name: np.full(rows, 0.0 if name in ("left", "top") else 1.0) for name in ("left", "top", "across", "down")
    }
    return contract("views").table(columns)


def _seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
