"""Several trainings that differ in their seed alone: their progress as one, and their probes as one."""

from __future__ import annotations

from dataclasses import replace

from curate.pretrain.probe import estimate
from curate.pretrain.result import Estimate, Probe
from curate.progress import Progress, Watch


class Told:
    """Tells whoever watches of several trainings as of one, by their steps: whole trainings would tell no time left."""

    def __init__(self, watch: Watch, stage: str, total: int) -> None:
        self.watch, self._stage, self._total = watch, stage, total
        self._done, self._steps, self._images, self._seconds = 0, 0, 0, 0.0

    def __call__(self, at: Progress) -> None:
        rows, seconds = self._images + at.rows, self._seconds + at.seconds
        self._steps = max(self._steps, at.parts)  # one that time has ended says how many it made
        self._tell(
            self._done * self._steps + at.done, rows, seconds, f"training {self._done + 1} of {self._total}, {at.note}"
        )
        if at.ended:
            self._done, self._images, self._seconds = self._done + 1, rows, seconds

    def end(self) -> None:
        """All are done."""
        self._tell(self._total * self._steps, self._images, self._seconds, f"{self._total} trainings", ended=True)

    def _tell(self, done: int, rows: int, seconds: float, note: str, ended: bool = False) -> None:
        steps = self._total * self._steps
        self.watch(Progress(self._stage, done, steps, rows, seconds, ended, unit="steps", note=note))


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
