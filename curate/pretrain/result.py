"""What a pretraining gives; `pretrain/summary.json` holds the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Estimate:
    """A mean over the probe's draws, and its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Probe:
    """Few-shot accuracy on one benchmark, `tested` images of `classes` classes, before and after training.

    `gain` is trained less untrained, draw by draw.
    """

    benchmark: str
    classes: int
    tested: int
    shots: int
    seeds: int
    chance: float
    untrained: Estimate
    trained: Estimate
    gain: Estimate


@dataclass(frozen=True)
class Samples:
    """How many samples of the clean shards were read for training, and how many were not, by reason."""

    used: int
    skipped: dict[str, int]


@dataclass(frozen=True)
class PretrainResult:
    """A finished pretraining: on which clean shards (`clean`, digest of their content), how, and how it went.

    `losses` has one value a step; `not_probed` says why a benchmark has no probe; `folder` holds the files.
    """

    folder: str
    clean: str
    settings: dict[str, Any]
    versions: dict[str, str]
    device: str
    parameters: int
    steps: int
    seconds: float
    images_per_second: float
    samples: Samples
    losses: tuple[float, ...]
    probe: tuple[Probe, ...]
    not_probed: dict[str, str]

    def __rich__(self) -> Table:
        """The result for the terminal."""
        table = Table(title="Pretraining", title_justify="left", show_header=False)
        table.add_row("loss", f"{self.losses[0]:.3f} -> {self.losses[-1]:.3f} in {self.steps:,} steps")
        table.add_row("speed", f"{self.images_per_second:,.0f} images/s on {self.device}, {self.seconds:.0f} s")
        skipped = "".join(f", {count:,} skipped for {why}" for why, count in self.samples.skipped.items() if count)
        table.add_row("samples", f"{self.samples.used:,} used{skipped}")
        for p in self.probe:
            found = f"{p.trained.mean:.1%} ({p.trained.low:.1%} to {p.trained.high:.1%})"
            table.add_row(
                f"{p.benchmark}, {p.shots} shots",
                f"{found}, untrained {p.untrained.mean:.1%}, chance {p.chance:.1%}, {p.tested:,} images",
            )
        for name, why in self.not_probed.items():
            table.add_row(name, f"not probed: {why}")
        return table
