"""What the laws speak of: a run, what it handles, and the rates it is held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from curate.bill.rates import Rates, StageRate
from curate.runfile import RunFile


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
