"""The detector as an OpenVINO graph, so that it runs on any CPU without torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.detector.pixels import SEEN

if TYPE_CHECKING:
    from curate.detector.model import Detector

BATCH = 16
"""Pictures the graph takes at once, always: a vector must not depend on how many others there are. Rates are within 5 %
from 8 to 32, a quarter lower at 1.
"""
_CPU = {
    "INFERENCE_NUM_THREADS": 1,  # workers are many and have a core each
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,  # all workers of a machine would be pinned to the same core
    "INFERENCE_PRECISION_HINT": "f32",  # else processors with bfloat16 give other vectors
}


def export(detector: Detector, path: Path) -> None:
    """Write the graph (16, 112, 112) uint8 -> (16, dim) float32 as `path` (.xml) and its float16 weights (.bin)."""
    import torch

    from curate.detector.model import OfPictures

    openvino = _openvino()
    pictures = torch.zeros(BATCH, *SEEN, dtype=torch.uint8)
    model = openvino.convert_model(torch.export.export(OfPictures(detector).eval(), (pictures,)))
    model.reshape({0: list(pictures.shape)})
    openvino.save_model(model, path, compress_to_fp16=True)


def open_graph(path: Path) -> Any:
    """Compile a graph for one thread of the CPU -> OpenVINO's compiled model."""
    core = _openvino().Core()
    return core.compile_model(core.read_model(path), "CPU", _CPU)


def version() -> str:
    """OpenVINO's version, without the build."""
    return str(_openvino().__version__).partition("-")[0]


def _openvino() -> Any:
    """Import openvino without openvino_telemetry, which would report each import over the network unasked.

    OpenVINO takes its own stub where that package is not to be had, and a None in `sys.modules` says so.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
