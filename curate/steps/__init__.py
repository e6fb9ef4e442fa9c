"""The way of the data: for every stage, which parts it has, what each is made from, and how a worker makes one.

                                  cells -> |
    urls -> shards -> signatures -> contamination -> duplicates -> decisions -> clean (-> images)
                      benchmarks -> views -/
                                          `-> recall

A stage itself (curate/stages/) is a pure function on tables; here it is connected to the store. `duplicates` comes
behind `contamination` because a keeper must be a sample that stays.
"""

from __future__ import annotations

from curate.runfile import RunFile
from curate.steps.base import Opened, Step, Task
from curate.steps.deciding import CONTAMINATION, DECISIONS
from curate.steps.emitting import CLEAN, IMAGES
from curate.steps.measuring import RECALL
from curate.steps.repeating import CELLS, DUPLICATES, KEYS, LINKS, PLAN
from curate.steps.signing import SHARDS, SIGNATURES, VIEWS, corpus_shards

__all__ = ["STEPS", "Opened", "Step", "Task", "corpus_shards", "dataset_names"]

STEPS = (
    SHARDS,
    SIGNATURES,
    VIEWS,
    CONTAMINATION,
    RECALL,
    CELLS,
    KEYS,
    LINKS,
    PLAN,
    DUPLICATES,
    DECISIONS,
    CLEAN,
    IMAGES,
)


def dataset_names(run: RunFile) -> list[str]:
    """The datasets of this run, in the order in which they are made."""
    return (["urls"] if run.urls else []) + [step.name for step in STEPS if step.wanted(run)]
