"""The detector on one core: through OpenVINO as shipped, against the same weights in torch eager, alternating.

Both see the same batches of 16 squashed photographs, in float32, one thread each, and are checked to agree.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from curate.detector import files, graph, weights
from curate.detector.embed import open_detector
from curate.detector.model import OfPictures
from tests.bench.signatures import photographs

BATCHES, ROUNDS = 4, 15


def main() -> None:
    """Print images/s of both on the same one core, and their ratio."""
    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {max(cores)})
    torch.set_num_threads(1)
    try:
        _compare()
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)


def _compare() -> None:
    import simplejpeg

    run, net = open_detector("cpu"), OfPictures(weights.load(files.FOLDER / files.WEIGHTS)[0])
    decoded = [simplejpeg.decode_jpeg(jpeg) for jpeg in photographs(BATCHES * graph.BATCH)]
    seen = [run.prepare(pixels) for pixels in decoded]
    batches = [torch.from_numpy(np.stack(seen[i :: len(seen) // graph.BATCH])) for i in range(BATCHES)]

    def shipped() -> None:
        for batch in batches:
            run(list(batch.numpy()))

    def eager() -> None:
        with torch.inference_mode():
            for batch in batches:
                net(batch)

    def prepared() -> None:
        for pixels in decoded:
            run.prepare(pixels)

    with torch.inference_mode():
        apart = np.abs(run(list(batches[0].numpy())) - net(batches[0]).numpy()).max()
    assert apart < 1e-3, f"they give vectors {apart} apart"
    rows = [tuple(_seconds(work) for work in (shipped, eager, prepared)) for _ in range(ROUNDS)]
    ours, theirs, squash = (len(seen) / statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in rows)
    print(f"the detector on {len(seen)} photographs, {graph.BATCH} at a time, float32")
    print(f"OpenVINO, as shipped       {ours:7,.0f} images/s a core")
    print(f"torch eager                {theirs:7,.0f} images/s a core")
    print(f"ratio                      {ratio:7.2f}   (to hold: 1.00)")
    print(f"squashed to what it sees   {squash:7,.0f} images/s a core, before that")


def _seconds(work: Callable[[], None]) -> float:
    """Of processor time: other work on the machine must not count, and both sides have one thread."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
