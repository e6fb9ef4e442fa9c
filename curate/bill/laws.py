"""How what a stage takes grows: the laws of its code, one function a stage.

Each law says what the stage's unit is and how many there are, in how many tasks, and what comes on top of the rates a
unit: bytes read, CPU seconds, memory of a worker. A stage that reads columns of `signatures` reads their stored bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from curate.bill import exchange
from curate.bill.case import Case, Need
from curate.ops.edits import EDITS
from curate.ops.partition import cell_count, sample_size
from curate.ops.views import TURNS, benchmark_regions, embedded_views
from curate.stages import cells, contamination, decisions
from curate.store import ROW_GROUP

_HASHED = len(benchmark_regions(4, 3)) * len(TURNS)
_EMBEDDED = len(list(embedded_views(4, 3)))
"""Views of a benchmark image that are held against samples, by hash and by descriptor."""


def _urls(case: Case) -> Need:
    listed = case.load.samples * case.rate("urls").bytes
    return Need("URLs", case.load.samples, 1, reads=listed)


def _shards(case: Case) -> Need:
    load, payload = case.load, case.load.fetched * case.load.sample_bytes
    return Need("URLs", load.samples, load.shards, reads=payload, payload=payload, bound="the web")


def _signatures(case: Case) -> Need:
    load = case.load
    return Need("samples", load.samples, load.shards, reads=load.fetched * load.sample_bytes)


def _views(case: Case) -> Need:
    return Need("benchmark images", case.load.images, case.load.image_shards, case.load.images * case.load.image_bytes)


def _contamination(case: Case) -> Need:
    """Each sample is held against all views; what the descriptors propose is aligned, the more the more images."""
    load, pairs, matching = case.load, case.rates.pairs, case.run.contamination
    rate = case.rate("contamination")
    compared = load.readable * load.images * _compared(case)
    grown = load.images / rate.images if rate.images and case.embeds else 1.0
    most = matching.most_candidates * pairs.alignment_s
    each = min(rate.cpu_s * grown, max(most, rate.cpu_s)) if case.embeds else rate.cpu_s
    bound = "alignment" if each * load.samples > compared else "pairs"
    return Need(
        "samples",
        load.samples,
        load.shards,
        reads=case.columns(contamination.CORPUS_COLUMNS) + case.views,
        cpu=compared,
        scale=each / rate.cpu_s if rate.cpu_s else 1,
        memory=load.images * rate.memory_unit,
        bound=bound,
    )


def _compared(case: Case) -> float:
    """CPU seconds to hold a sample against the views of one image: whole and square, four quarters, the descriptor."""
    pairs = case.rates.pairs
    return (2 * _HASHED + 4) * pairs.hash_s + (_EMBEDDED * pairs.vector_s if case.embeds else 0)


def _recall(case: Case) -> Need:
    load, rate = case.load, case.rate("contamination")
    copies = sum(min(case.run.recall.copies, load.images) for _ in case.run.benchmarks) * len(EDITS)
    reads = copies * load.image_bytes + case.views
    cpu = copies * load.images * _compared(case)
    return Need("copies", copies, load.image_shards, reads=reads, cpu=cpu, memory=load.images * rate.memory_unit)


def _cells(case: Case) -> Need:
    count, sample = cell_count(int(case.load.readable)), sample_size(int(case.load.readable))
    cpu = 8 * sample * count * case.rates.pairs.kmeans_s if count > 1 else 0
    held = case.rate("signatures").columns.get("embedding", 0) * sample * 4
    return Need("samples", case.load.samples, 1, case.columns(cells.COLUMNS), cpu=cpu, memory=held, bound="one task")


def _decisions(case: Case) -> Need:
    """A worker holds, of each part of `duplicates`, the row groups of one shard, and looks through them."""
    load = case.load
    a_shard = min(load.duplicates, exchange.duplicates(case).tasks * ROW_GROUP * 2)
    looked = a_shard * load.shards * case.rates.pairs.filter_s
    reads = case.columns(decisions.COLUMNS) + load.duplicates * case.rate("duplicates").bytes
    held = a_shard * case.rate("decisions").memory_unit
    return Need("samples", load.samples, load.shards, reads, cpu=looked, memory=held)


def _clean_parts(case: Case) -> int:
    return ceil(case.load.kept / case.run.clean.samples_per_shard)


def _clean(case: Case) -> Need:
    load, size = case.load, case.load.sample_bytes
    return Need("kept samples", load.kept, _clean_parts(case), load.fetched * size, payload=load.kept * size)


def _images(case: Case) -> Need:
    size = case.load.kept * case.load.sample_bytes
    return Need("kept samples", case.load.kept, _clean_parts(case), reads=size, payload=size)


def _proof(case: Case) -> Need:
    """What is kept is signed again, and held against all views."""
    load, rate = case.load, case.rate("proof")
    reads = load.kept * load.sample_bytes + case.views
    cpu = load.kept * load.images * _compared(case)
    held = load.images * rate.memory_unit
    return Need("kept samples", load.kept, _clean_parts(case), reads=reads, cpu=cpu, memory=held)


LAWS: dict[str, Callable[[Case], Need]] = {
    "urls": _urls,
    "shards": _shards,
    "signatures": _signatures,
    "views": _views,
    "contamination": _contamination,
    "recall": _recall,
    "cells": _cells,
    "keys": exchange.keys_,
    "links": exchange.links,
    "plan": exchange.plan,
    "bundles": exchange.bundles,
    "duplicates": exchange.duplicates,
    "decisions": _decisions,
    "clean": _clean,
    "images": _images,
    "proof": _proof,
}
"""Every dataset's."""
EXCHANGE = ("keys", "links", "plan", "bundles")
"""Stages that have no part where all samples fit in memory."""
