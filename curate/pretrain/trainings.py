"""Several trainings that differ in their seed alone: their progress as one, and their probes as one."""

from __future__ import annotations

from dataclasses import replace

from curate.pretrain.probe import estimate
from curate.pretrain.result import Estimate, Probe
from curate.progress import Progress, Watch


class Told:
    """Counts trainings for whoever watches, as the parts of one stage."""

    def __init__(self, watch: Watch, stage: str, total: int) -> None:
        self.watch, self._stage, self._total = watch, stage, total
        self._done, self._images, self._seconds = 0, 0, 0.0

    def __call__(self, at: Progress) -> None:
        rows, seconds = self._images + at.rows, self._seconds + at.seconds
        if at.ended:
            self._done, self._images, self._seconds = self._done + 1, rows, seconds
        self._tell(rows, seconds, f"{at.done} of {at.parts} steps, {at.note}")

    def end(self) -> None:
        """All are done."""
        self._tell(self._images, self._seconds, ended=True)

    def _tell(self, rows: int, seconds: float, note: str = "", ended: bool = False) -> None:
        self.watch(Progress(self._stage, self._done, self._total, rows, seconds, ended, unit="trainings", note=note))


def together(trainings: list[list[Probe]]) -> list[Probe]:
    """The probes of every training, in the same order -> each as one; intervals are Student's over the trainings."""
    return [_one(list(each)) if len(each) > 1 else each[0] for each in zip(*trainings, strict=True)]


def _one(each: list[Probe]) -> Probe:
    nets = {net: _over([probe.nets[net] for probe in each]) for net in each[0].nets}
    gain = None
    if "untrained" in nets:
        gain = estimate([probe.nets["trained"].mean - probe.nets["untrained"].mean for probe in each], least=-1)
    return replace(each[0], trainings=len(each), nets=nets, gain=gain)


def _over(each: list[Estimate]) -> Estimate:
    """What no seed changes (raw pixels on a split that is given) keeps its own interval."""
    means = [found.mean for found in each]
    return estimate(means) if len(set(means)) > 1 else each[0]
