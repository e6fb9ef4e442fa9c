"""The sanity pretraining: do the clean shards train? A small ViT, its curves, and its probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.pretrain.result import PretrainResult
from curate.progress import Watch

if TYPE_CHECKING:
    from curate.pretrain.compared import Compared
    from curate.runfile import RunFile
    from curate.store import Store

__all__ = ["PretrainResult", "compare", "open_trained", "pretrain"]


def pretrain(run: RunFile, store: Store, watch: Watch, on: str = "local") -> PretrainResult:
    """Train on a run's clean shards and probe on its benchmarks; writes `RUN/pretrain/`, and goes on where it was.

    `on` is `local`, `ray` or the address of a Ray cluster. Raises CurateError when there is nothing to train on, when
    the loss is not finite or diverges, and when no data come.
    """
    from curate.pretrain.job import work  # here, so that `curate --help` loads no torch

    return work(run, store, watch, on)


def compare(run: RunFile, store: Store, watch: Watch) -> Compared:
    """Plant benchmark images among a run's clean samples; does cleaning take their effect away? See `experiment.py`.

    Writes `RUN/pretrain/compare/`; raises CurateError when the run has no labelled benchmark or too few samples.
    """
    from curate.pretrain.experiment import work  # not named `compare`: a module would take this function's place

    return work(run, store, watch)


def open_trained(path: str) -> tuple[RunFile, Store]:
    """The settings and the store of a finished run; by its run file, `[pretrain]` is as that says now."""
    from curate import runfile
    from curate.runner import open_run

    run, store = open_run(path)
    if not path.endswith(".toml"):
        return run, store
    return run.model_copy(update={"pretrain": runfile.load(path).pretrain}), store
