"""Pictures to vectors by the shipped detector: through OpenVINO on a CPU (no torch), through torch in bf16 on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from curate.detector import files, graph
from curate.detector.pixels import HOW, SEEN, SQUASHED, seen
from curate.errors import SourceError

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
_GPU_BATCH = 256
_NVIDIA = Path("/dev/nvidiactl")
"""There where NVIDIA's driver runs: to ask torch would cost its import."""


class Runner(Protocol):
    """An opened model."""

    size: int
    """Pixels a side that it looks at."""
    colour: bool
    """Whether it looks at colours; else grey pixels are as good."""
    facts: dict[str, str]
    """Which weights, which preprocessing, what it runs on."""

    def prepare(self, pixels: Pixels) -> Any:
        """What the model sees of a picture, (H, W, 3) uint8 RGB; if not `colour`, (H, W) uint8 too."""
        ...

    def __call__(self, prepared: Sequence[Any]) -> Vectors:
        """Prepared pictures -> (N, D) float32, of any length."""
        ...


class DetectorRunner:
    """The detector, opened; each vector depends on its own picture only."""

    size = SQUASHED
    colour = False

    def __init__(self, run: Callable[[Pixels], Vectors], batch: int, facts: dict[str, str]) -> None:
        """`run` takes (`batch`, 112, 112) uint8, never more nor less."""
        self._run = run
        self._batch = np.zeros((batch, *SEEN), np.uint8)
        self.facts = facts | {"preprocessing": HOW}

    def prepare(self, pixels: Pixels) -> Pixels:
        """(H, W, 3) uint8 RGB or (H, W) uint8 grey -> (112, 112) uint8."""
        return seen(pixels)

    def __call__(self, prepared: Sequence[Pixels]) -> Vectors:
        """N of (112, 112) uint8, N >= 1 -> (N, dim) float32 of unit length; the last batch is filled up."""
        batch, vectors = self._batch, []
        for start in range(0, len(prepared), len(batch)):
            some = prepared[start : start + len(batch)]
            batch[: len(some)], batch[len(some) :] = some, 0
            vectors.append(self._run(batch)[: len(some)].copy())
        return np.concatenate(vectors)


def open_detector(device: str = "auto", folder: Path = files.FOLDER) -> DetectorRunner:
    """Open the detector in `folder` on `device`: auto, cpu, cuda or cuda:N. Imports torch for CUDA only.

    Raises SourceError when the files are not whole or of one export, or CUDA is asked for and not there.
    """
    weights = files.sealed(folder)
    gpu = _gpu(device)
    return _on_gpu(folder, weights, gpu) if gpu else _on_cpu(folder, weights)


def _gpu(device: str) -> str | None:
    """The GPU to run on; None for the CPU."""
    if device == "cpu" or (device == "auto" and not _NVIDIA.exists()):
        return None
    try:
        import torch
    except ModuleNotFoundError:
        if device == "auto":
            return None
        raise SourceError(f"device = {device!r} needs torch: pip install 'curate[models]'") from None
    if torch.cuda.is_available():
        return "cuda" if device == "auto" else device
    if device == "auto":
        return None
    raise SourceError(f"device = {device!r}: torch finds no CUDA here. Ask for cpu or auto.")


def _on_cpu(folder: Path, weights: str) -> DetectorRunner:
    compiled = graph.open_graph(folder / files.GRAPH)
    request = compiled.create_infer_request()

    def run(batch: Pixels) -> Vectors:
        request.infer({0: batch}, share_inputs=True)
        vectors: Vectors = request.get_output_tensor().data
        return vectors

    return DetectorRunner(run, graph.BATCH, {"weights": weights, "runs_on": f"openvino {graph.version()} float32"})


def _on_gpu(folder: Path, weights: str, gpu: str) -> DetectorRunner:
    import torch

    from curate.detector.model import OfPictures
    from curate.detector.weights import load

    net = OfPictures(load(folder / files.WEIGHTS)[0]).eval().to(gpu)

    def run(batch: Pixels) -> Vectors:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            vectors: Vectors = net(torch.from_numpy(batch).to(gpu)).float().cpu().numpy()
            return vectors

    return DetectorRunner(run, _GPU_BATCH, {"weights": weights, "runs_on": f"torch {torch.__version__} bfloat16"})
