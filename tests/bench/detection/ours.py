"""Our own detection, through the run's own stage functions and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.sources import Sample
from curate.stages import contamination, signatures, views
from curate.stages.contamination import ContaminationSettings
from curate.stages.signatures import SignaturesSettings

Change = Callable[[pa.Table], pa.Table]


def _unchanged(table: pa.Table) -> pa.Table:
    return table


class Ours:
    """A benchmark, signed and indexed as a run does it. Tests take parts of it away, to see what they were good for."""

    def __init__(
        self,
        benchmark: Sequence[bytes],
        signing: SignaturesSettings | None = None,
        matching: ContaminationSettings | None = None,
        *,
        change_views: Change = _unchanged,
        change_signatures: Change = _unchanged,
    ) -> None:
        signing = signing or SignaturesSettings()
        self._count = len(benchmark)
        self._sign = signatures.make(signing)
        self._change = change_signatures
        seen = views.make(signing)("benchmark", "00000", _samples(benchmark))
        self._match = contamination.make(matching or ContaminationSettings(), change_views(seen))
        self.seconds = {"signing": 0.0, "matching": 0.0}
        """Seconds of CPU so far."""
        self.copies = 0

    def scores(self, jpegs: Sequence[bytes]) -> NDArray[np.float32]:
        """1 where a match was reported, else 0: (len(jpegs), len(benchmark)) float32."""
        began = time.process_time()
        signed = self._sign("00000", _samples(jpegs))
        between = time.process_time()
        matches = self._match(self._change(signed))
        self.seconds["signing"] += between - began
        self.seconds["matching"] += time.process_time() - between
        self.copies += len(jpegs)
        found = np.zeros((len(jpegs), self._count), np.float32)
        copy, shown = (matches[name].to_pylist() for name in ("key", "benchmark_key"))
        found[[int(key) for key in copy], [int(key) for key in shown]] = 1
        return found


def _samples(jpegs: Sequence[bytes]) -> list[Sample]:
    """Samples whose keys are their rows."""
    return [Sample(f"{row:09d}", (("jpg", jpeg),)) for row, jpeg in enumerate(jpegs)]
