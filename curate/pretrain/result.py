"""What a pretraining gives; `pretrain/summary.json` holds the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Estimate:
    """A mean, and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1%} ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class Probe:
    """Accuracy of one method on one benchmark, `tested` images of `classes` classes, by what it was given to see.

    `nets` holds raw pixels, the net before training and after it, in that order where they were probed; `gain` is
    trained less untrained, draw by draw, over `seeds` draws; None where there is nothing to compare with. Of several
    `trainings`, each has `seeds` draws of its own, and all intervals are over the trainings.
    """

    benchmark: str
    method: str
    classes: int
    tested: int
    seeds: int
    chance: float
    nets: dict[str, Estimate]
    gain: Estimate | None
    trainings: int = 1


@dataclass(frozen=True)
class Samples:
    """How many samples of the clean shards are trained on, how many are held out, and how many neither, by reason.

    `checked` when the run dropped near duplicates: then no picture that is held out is also trained on.
    """

    used: int
    held_out: int
    skipped: dict[str, int]
    checked: bool


@dataclass(frozen=True)
class Speed:
    """Seconds of training, images a second in it, and of a GPU's peak (MFU).

    `waiting` is the share of the time that waited for data, `wait_ms` the same a step.
    """

    seconds: float
    images_per_second: float
    waiting: float
    wait_ms: float
    mfu: float | None


@dataclass(frozen=True)
class PretrainResult:
    """A finished pretraining: on which clean shards (`clean`, digest of their content), how, and how it went.

    Of several trainings `speed` and `probe` are of all, the rest is of the first.
    `losses`, `rates` and `gradients` have one value a step; `held_out_loss` is that of the kept weights on samples that
    were never trained on, None without any; `not_probed` says why a benchmark has no probe;
    `pictures` are files in `folder`.
    """

    folder: str
    clean: str
    settings: dict[str, Any]
    versions: dict[str, str]
    device: str
    workers: int
    parameters: int
    steps: int
    speed: Speed
    samples: Samples
    losses: tuple[float, ...]
    rates: tuple[float, ...]
    gradients: tuple[float, ...]
    held_out_loss: float | None
    probe: tuple[Probe, ...]
    not_probed: dict[str, str]
    pictures: dict[str, str] = field(default_factory=dict)

    def __rich__(self) -> Table:
        """The result for the terminal."""
        table = Table(title="Pretraining", title_justify="left", show_header=False)
        held = "" if self.held_out_loss is None else f"; {self.held_out_loss:.3f} held out"
        table.add_row("loss", f"{self.losses[0]:.3f} -> {self.losses[-1]:.3f} in {self.steps:,} steps{held}")
        if (count := self.settings["trainings"]) > 1:
            table.add_row("trainings", f"{count}; speed and probes are of all, loss and checkpoint of the first")
        mfu = "" if self.speed.mfu is None else f", MFU {self.speed.mfu:.1%}"
        where = f"{self.device}, {self.workers} workers" if self.workers > 1 else self.device
        waiting = f"{self.speed.waiting:.0%} of it waiting for data ({self.speed.wait_ms:.1f} ms a step)"
        rate = f"{self.speed.images_per_second:,.0f} images/s on {where}"
        table.add_row("speed", f"{rate}, {self.speed.seconds:.0f} s, {waiting}{mfu}")
        skipped = "".join(f", {count:,} skipped for {why}" for why, count in self.samples.skipped.items() if count)
        doubt = "" if self.samples.checked else " (near duplicates were not looked for)"
        out = f", {self.samples.held_out:,} held out{doubt}" if self.samples.held_out else ""
        table.add_row("samples", f"{self.samples.used:,} used{out}{skipped}")
        add_probes(table, self.probe, self.not_probed)
        return table


def add_probes(table: Table, probe: tuple[Probe, ...], not_probed: dict[str, str]) -> None:
    """A row of two columns for each probe, and for each benchmark that has none."""
    for p in probe:
        *others, trained = (f"{net} {found}" for net, found in p.nets.items())
        said = ", ".join([trained, *others, f"chance {p.chance:.1%}", f"{p.tested:,} images"])
        table.add_row(f"{p.benchmark}, {p.method}", said)
    for name, why in not_probed.items():
        table.add_row(name, f"not probed: {why}")
