"""The sanity pretraining: do the clean shards train? A small ViT, its loss curve, few-shot probes against chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.pretrain.result import PretrainResult
from curate.progress import Watch

if TYPE_CHECKING:
    from curate.runfile import RunFile
    from curate.store import Store

__all__ = ["PretrainResult", "pretrain"]


def pretrain(run: RunFile, store: Store, watch: Watch) -> PretrainResult:
    """Train on a run's clean shards and probe on its benchmarks; writes `RUN/pretrain/`.

    Raises CurateError when there is nothing to train on, or when the loss is not finite.
    """
    from curate.pretrain.job import work  # here, so that `curate --help` loads no torch

    return work(run, store, watch)
