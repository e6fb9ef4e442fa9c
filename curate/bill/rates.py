"""Rates: what a unit of each stage took where it was measured; the shipped ones are `rates.toml`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from curate.config import Settings, parse, read_toml

SHIPPED = str(Path(__file__).parent / "rates.toml")


class Yields(Settings):
    """What becomes of samples: shares, and the bytes of one. Facts of the data, not of the machine."""

    source: str = Field(description="who says so")
    fetched: float = Field(ge=0, le=1, description="share of the URLs that give an image")
    readable: float = Field(ge=0, le=1, description="share of the images that are decoded")
    contaminated: float = Field(ge=0, description="matches with benchmarks, of the readable")
    duplicates: float = Field(ge=0, le=1, description="share of the readable that repeats another sample")
    aligned: float = Field(ge=0, description="pairs aligned a sample, duplicates with descriptors")
    kept: float = Field(ge=0, le=1, description="share of the readable that stays")
    sample_bytes: float = Field(gt=0, description="a sample in a tar: image, caption, headers, B")


class Pairs(Settings):
    """CPU seconds of what is done a pair; not told by a run, so measured alone."""

    hash_s: float = Field(ge=0, description="two hashes of 256 bit compared, contamination")
    vector_s: float = Field(ge=0, description="two descriptors compared, contamination")
    alignment_s: float = Field(ge=0, description="two previews aligned")
    link_hash_s: float = Field(ge=0, description="two hashes of one bucket alike in a chunk compared, links")
    link_lookup_s: float = Field(ge=0, description="one look-up of a hash among the many of a bucket, links")
    link_vector_s: float = Field(ge=0, description="two descriptors compared in a bucket, links")
    kmeans_s: float = Field(ge=0, description="a descriptor held against a centre, cells and keys")
    filter_s: float = Field(ge=0, description="a duplicate looked at for a part, decisions")
    duplicates_power: float = Field(ge=1, description="in-memory duplicates cost as samples to this power")


class StageRate(Settings):
    """What a stage takes a unit: see `laws.py` for what its unit is, and for what comes on top."""

    measured_on: int = Field(ge=0, description="units in the run that told")
    rows: float = Field(1, ge=0, description="rows written")
    bytes: float = Field(0, description="written beside the samples, B; below 0 where they take less than in a tar")
    part_bytes: float = Field(0, ge=0, description="written a part, however few its rows, B")
    opening_s: float = Field(0, ge=0, description="CPU to open the stage, a worker, s")
    cpu_s: float = Field(0, ge=0, description="CPU, s")
    wait_s: float = Field(0, ge=0, description="time a worker takes whatever its CPU does, s")
    memory: float = Field(0, ge=0, description="of a worker before it holds what `laws.py` adds, B")
    memory_unit: float = Field(0, ge=0, description="of a worker for each of what `laws.py` says it holds, B")
    images: int = Field(0, ge=0, description="contamination: benchmark images in the run that told")
    columns: dict[str, float] = Field(default_factory=dict, description="stored bytes a row, by column")


class Rates(Settings):
    """Rates of one class of machine, by embedding and stage."""

    date: str
    machine: str = Field(description="class of machine, as far as it matters")
    how: str = Field(description="how they were measured")
    yields: Yields
    pairs: Pairs
    stages: dict[str, dict[str, StageRate]] = Field(description="embedding -> stage -> rate")

    def of(self, embedding: str) -> dict[str, StageRate]:
        """The rates for an embedding; where there are none, those of the detector stand in."""
        return self.stages.get(embedding, self.stages["detector"])


def load(path: str | None = None) -> Rates:
    """Read a rates file, else the shipped one; ConfigError names every fault in it."""
    return parse(Rates, read_toml(path or SHIPPED), path or SHIPPED)


def as_toml(rates: Rates) -> str:
    """The rates as a file that `load` reads."""
    return "".join(_tables(rates.model_dump(mode="json", exclude_defaults=True), ())).lstrip("\n")


def _tables(values: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    head = f"\n[{'.'.join(path)}]\n" if path and plain else ""
    lines = [head, *(f"{_key(key)} = {_value(value)}\n" for key, value in plain.items())]
    for key, value in values.items():
        if isinstance(value, dict) and value:
            lines += _tables(value, (*path, _key(key)))
    return lines


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
