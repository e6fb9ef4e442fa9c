"""The way of the data: for every stage, which parts it has, what each is made from, and how a worker makes one.

                                  cells -> |
    urls -> shards -> signatures -> contamination -> duplicates -> decisions -> clean (-> images) -> proof
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
from curate.steps.exchanging import BUNDLES, KEYS, LINKS, PLAN
from curate.steps.measuring import RECALL
from curate.steps.proving import PROOF
from curate.steps.repeating import CELLS, DUPLICATES
from curate.steps.signing import SHARDS, SIGNATURES, VIEWS, check_signed, corpus_shards

__all__ = ["STEPS", "Opened", "Step", "Task", "check_signed", "corpus_shards", "dataset_names", "wanted"]

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
    BUNDLES,
    DUPLICATES,
    DECISIONS,
    CLEAN,
    IMAGES,
    PROOF,
)


def wanted(run: RunFile) -> list[Step]:
    """The steps of this run, in order."""
    return [step for step in STEPS if step.wanted(run) and (step.audits or not run.audit)]


def dataset_names(run: RunFile) -> list[str]:
    """The datasets of this run, in the order in which they are made."""
    return (["urls"] if run.urls else []) + [step.name for step in wanted(run)]
