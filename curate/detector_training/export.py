"""From a checkpoint to the files that `curate` ships: weights, graph, seal and card."""

from __future__ import annotations

from pathlib import Path

from curate.detector import files, graph, weights
from curate.detector_training import card, facts
from curate.detector_training.state import averaged


def export(out: Path, to: Path) -> None:
    """Write the averaged weights of `out/checkpoint.pt`, the graph made of them, their seal and the card to `to`.

    The graph is made from the weights as they are read back, rounded to float16, so that both give the same vectors.
    """
    told = facts.read(out)
    detector, step = averaged(out)
    to.mkdir(parents=True, exist_ok=True)
    weights.save(to / files.WEIGHTS, detector, told.digest, step)
    graph.export(weights.load(to / files.WEIGHTS)[0], to / files.GRAPH)
    files.seal(to)
    card.write(to, told, facts.cost(out, step))
