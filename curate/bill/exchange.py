"""How what finding duplicates takes grows, in memory and in the exchange: laws as in `laws`."""

from __future__ import annotations

from math import ceil

from curate.bill.case import Case, Need
from curate.bill.linking import link_seconds
from curate.ops.buckets import pieces
from curate.ops.partition import cell_count
from curate.ops.turns import WAYS
from curate.stages import decisions, keys
from curate.steps.exchanging import BUNDLED, KEYED, SPAN
from curate.store import ROW_GROUP

_KEY = 37
"""Bytes of a key of a hash as it is stored: 25 a sample take 924."""
_LAID_S = 1.6e-5
"""CPU seconds to lay a hash and find its keys."""
_PLAN_LINK = 60
"""Bytes of memory that `plan` says it takes for each linked sample and link."""
_COPIED = 5
"""How often keys stand in memory while they are sorted and checked: 40,000 samples took 1.3 GB, 10,000 half of it."""


def _gathered(case: Case, columns: list[str]) -> float:
    """Bytes of these columns of all samples, and of those that tell which may stay."""
    return case.columns({*columns, *decisions.FACTS, "key", "status"})


def _asking(case: Case) -> float:
    """CPU seconds until every descriptor has found its cells."""
    count = cell_count(int(case.load.readable)) if case.embeds and case.run.duplicates.searches else 0
    return case.load.readable * count * case.rates.pairs.kmeans_s if count > 1 else 0


def keys_(case: Case) -> Need:
    """Small parts of signatures stand together; what is held is the keys of one part."""
    added = case.load.readable * _key_bytes(case) - case.load.readable * case.rate("keys").bytes
    cpu = _asking(case) + (_ways(case) - 1) * case.load.readable * _LAID_S
    tasks = ceil(case.load.shards / _keyed(case))
    reads = _gathered(case, keys.columns(case.run.duplicates))
    held = case.load.readable / max(1, tasks) * _key_bytes(case) * _COPIED
    return Need("samples", case.load.readable, tasks, reads, payload=added, cpu=cpu, memory=held)


def _keyed(case: Case) -> int:
    """How many parts of signatures have their keys in one part."""
    rows = case.load.samples / max(1, case.load.shards)
    return max(1, int(min(KEYED, _spans(case) * SPAN) / max(1, rows)))


def _ways(case: Case) -> int:
    """In how many ways each hash has keys."""
    return WAYS if case.run.duplicates.near and case.run.duplicates.turned else 1


def _key_bytes(case: Case) -> float:
    """Bytes of keys a sample: the rate is of pictures as they are, whose hashes have a key a piece."""
    return case.rate("keys").bytes + (_ways(case) - 1) * len(pieces(case.run.duplicates.radius)) * _KEY


def _spans(case: Case) -> int:
    return ceil(2 * case.load.readable / case.run.duplicates.in_memory)


def links(case: Case) -> Need:
    """What is near in a bucket is linked. Who reads a span of a part reads a row group at the least."""
    readable, rate = case.load.readable, case.rate("links")
    near, ways = case.run.duplicates, _ways(case)
    cpu = link_seconds(readable * ways, near.radius, ways > 1, case.rates.pairs) if near.near else 0
    if case.embeds and case.run.duplicates.searches:
        count = cell_count(int(readable))
        inside = readable * min(case.run.duplicates.probes, count) / count
        cpu += count * inside**2 / 2 * case.rates.pairs.link_vector_s
    stored = readable * _key_bytes(case)
    parts = ceil(case.load.shards / _keyed(case))
    a_span = readable * case.rate("keys").rows * ways / max(1, parts) / _spans(case)
    reads, held = stored * max(1, ROW_GROUP / a_span), stored / _spans(case) * rate.memory_unit
    return Need("samples", readable, _spans(case), reads, cpu=cpu, memory=held, bound="pairs in buckets")


def plan(case: Case) -> Need:
    links = 2 * case.load.duplicates
    reads = case.load.readable * case.rate("links").bytes
    return Need("samples", case.load.readable, 1, reads=reads, memory=2 * links * _PLAN_LINK, bound="one task")


def bundles(case: Case) -> Need:
    """Each part of signatures is read once, and what is linked written again."""
    linked, share = 2 * case.load.duplicates, 2 * case.load.duplicates / max(1, case.load.samples)
    whole = case.columns(case.run.duplicates.columns)
    held = min(linked, BUNDLED) * case.rate("duplicates").memory_unit * 2
    return Need("samples", linked, max(1, ceil(linked / BUNDLED)), whole, payload=whole * share, memory=held)


def duplicates(case: Case) -> Need:
    """In memory at once, or in tasks of what is linked, which each read their own.

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
        reads=bundles(case).payload if case.exchanged else _gathered(case, case.run.duplicates.columns),
        cpu=linked * aligned * case.rates.pairs.alignment_s,
        scale=grown if held > rate.measured_on else 1,
        memory=held * rate.memory_unit,
        bound="alignment" if aligned else "CPU",
    )
