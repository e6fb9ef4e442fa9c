"""How what a stage takes grows: the laws of its code, one function a stage.

Each law says what the stage's unit is and how many there are, in how many tasks, and what comes on top of the rates a
unit: bytes read, CPU seconds, memory of a worker. A stage that reads columns of `signatures` reads their stored bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil

from curate.bill.linking import link_seconds
from curate.bill.rates import Rates, StageRate
from curate.ops.buckets import pieces
from curate.ops.edits import EDITS
from curate.ops.partition import cell_count, sample_size
from curate.ops.turns import WAYS
from curate.ops.views import TURNS, benchmark_regions, embedded_views
from curate.runfile import RunFile
from curate.stages import cells, contamination, decisions

_HASHED = len(benchmark_regions(4, 3)) * len(TURNS)
_EMBEDDED = len(list(embedded_views(4, 3)))
"""Views of a benchmark image that are held against samples, by hash and by descriptor."""
_KEY = 37
"""Bytes of a key of a hash as it is stored: 25 a sample take 924."""
_LAID_S = 1.6e-5
"""CPU seconds to lay a hash and find its keys."""
_PLAN_LINK = 60
"""Bytes of memory that `plan` says it takes for each linked sample and link."""


@dataclass(frozen=True)
class Load:
    """What a run handles: input samples in shards, those readable, dropped as duplicates and kept; benchmark images."""

    samples: int
    shards: int
    sample_bytes: float
    fetched: float
    readable: float
    duplicates: float
    kept: float
    images: int
    image_shards: int
    image_bytes: float

    @classmethod
    def of(
        cls, run: RunFile, rates: Rates, samples: tuple[int, int], images: tuple[int, int], image_bytes: float
    ) -> Load:
        """The load of so many samples and benchmark images, (number, shards) each, by the rates' yields."""
        told = rates.yields
        fetched = samples[0] * (told.fetched if run.urls else 1)
        readable = fetched * told.readable
        shares = (fetched, readable, readable * told.duplicates, readable * told.kept)
        return cls(*samples, told.sample_bytes, *shares, *images, image_bytes)


@dataclass(frozen=True)
class Need:
    """Units and tasks of a stage, and what it takes beyond its rates a unit; `bound` names what that is.

    `payload` are bytes of samples that are written beside the rows; `scale` multiplies the CPU seconds a unit.
    """

    unit: str
    units: float
    tasks: int
    reads: float = 0
    payload: float = 0
    cpu: float = 0
    scale: float = 1
    memory: float = 0
    bound: str = "CPU"


@dataclass(frozen=True)
class Case:
    """A run, its load and its rates: what the laws speak of."""

    run: RunFile
    load: Load
    rates: Rates

    def rate(self, stage: str) -> StageRate:
        return self.rates.of(self.run.signatures.embedding).get(stage, StageRate(measured_on=0))

    @property
    def embeds(self) -> bool:
        return self.run.signatures.embedding != "none"

    @property
    def exchanged(self) -> bool:
        """Whether the samples are more than `duplicates` holds at once."""
        return self.load.readable > self.run.duplicates.in_memory

    def columns(self, names: Iterable[str]) -> float:
        """Stored bytes of these columns of all signatures."""
        stored = self.rate("signatures").columns
        return self.load.samples * sum(stored.get(name, 0) for name in names)

    @property
    def views(self) -> float:
        """Stored bytes of the benchmarks' views."""
        return self.load.images * self.rate("views").bytes


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


def _gathered(case: Case) -> float:
    return case.columns([*case.run.duplicates.columns, *decisions.FACTS, "status"])


def _asking(case: Case) -> float:
    """CPU seconds until every descriptor has found its cells."""
    count = cell_count(int(case.load.readable)) if case.embeds and case.run.duplicates.searches else 0
    return case.load.readable * count * case.rates.pairs.kmeans_s if count > 1 else 0


def _keys(case: Case) -> Need:
    added = case.load.readable * _key_bytes(case) - case.load.readable * case.rate("keys").bytes
    cpu = _asking(case) + (_ways(case) - 1) * case.load.readable * _LAID_S
    return Need("samples", case.load.readable, case.load.shards, _gathered(case), payload=added, cpu=cpu)


def _ways(case: Case) -> int:
    """In how many ways each hash has keys."""
    return WAYS if case.run.duplicates.near and case.run.duplicates.turned else 1


def _key_bytes(case: Case) -> float:
    """Bytes of keys a sample: the rate is of pictures as they are, whose hashes have a key a piece."""
    return case.rate("keys").bytes + (_ways(case) - 1) * len(pieces(case.run.duplicates.radius)) * _KEY


def _spans(case: Case) -> int:
    return ceil(2 * case.load.readable / case.run.duplicates.in_memory)


def _links(case: Case) -> Need:
    """What is near in a bucket is linked."""
    readable, rate = case.load.readable, case.rate("links")
    near, ways = case.run.duplicates, _ways(case)
    cpu = link_seconds(readable * ways, near.radius, ways > 1, case.rates.pairs) if near.near else 0
    if case.embeds and case.run.duplicates.searches:
        count = cell_count(int(readable))
        inside = readable * min(case.run.duplicates.probes, count) / count
        cpu += count * inside**2 / 2 * case.rates.pairs.link_vector_s
    reads = readable * _key_bytes(case)
    held = reads / _spans(case) * rate.memory_unit
    return Need("samples", readable, _spans(case), reads, cpu=cpu, memory=held, bound="pairs in buckets")


def _plan(case: Case) -> Need:
    links = 2 * case.load.duplicates
    reads = case.load.readable * case.rate("links").bytes
    return Need("samples", case.load.readable, 1, reads=reads, memory=2 * links * _PLAN_LINK, bound="one task")


def _duplicates(case: Case) -> Need:
    """In memory at once, or in tasks of what is linked: of those each may read every part again.

    The rate is that of a search of large sizes; the alignments come on top, as many a sample as the yields say.
    """
    load, rate, most = case.load, case.rate("duplicates"), case.run.duplicates.in_memory
    linked = 2 * load.duplicates if case.exchanged else load.readable
    tasks = max(1, ceil(linked / most))
    held = linked / tasks
    grown = (max(held, 1) / max(rate.measured_on, 1)) ** (case.rates.pairs.duplicates_power - 1)
    aligned = min(case.rates.yields.aligned, case.run.duplicates.most_candidates) if case.embeds else 0
    return Need(
        "samples",
        linked,
        tasks,
        reads=_gathered(case) * tasks,
        cpu=linked * aligned * case.rates.pairs.alignment_s,
        scale=grown if held > rate.measured_on else 1,
        memory=held * rate.memory_unit,
        bound="alignment" if aligned else "CPU",
    )


def _decisions(case: Case) -> Need:
    """Every worker holds all duplicates, and looks through them for each part."""
    load = case.load
    looked = load.duplicates * load.shards * case.rates.pairs.filter_s
    reads = case.columns(decisions.COLUMNS) + load.duplicates * case.rate("duplicates").bytes
    held = load.duplicates * case.rate("decisions").memory_unit
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
    "keys": _keys,
    "links": _links,
    "plan": _plan,
    "duplicates": _duplicates,
    "decisions": _decisions,
    "clean": _clean,
    "images": _images,
    "proof": _proof,
}
"""Every dataset's."""
EXCHANGE = ("keys", "links", "plan")
"""Stages that have no part where all samples fit in memory."""
