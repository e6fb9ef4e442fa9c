"""Embeddings by a named model: pixels in, unit vectors out. The shipped detector, or a model of another library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.detector import files
from curate.detector.embed import Runner, open_detector
from curate.errors import SourceError
from curate.ops import torch_models

_NETS: dict[str, Callable[[str], torch_models.Net]] = {
    "open_clip": torch_models.open_clip,
    "timm": torch_models.timm,
    "torchscript": torch_models.torchscript,
}
SPECS = "detector, open_clip:MODEL/WEIGHTS, timm:MODEL/WEIGHTS or torchscript:FILE?side=PX"
"""What can be asked for; WEIGHTS is a tag of the library or a file."""


def checked_spec(spec: str) -> str:
    """Give back a spec that is one of `SPECS`, without opening anything; ValueError says what is wanted."""
    library, _, name = spec.partition(":")
    if spec != "detector" and (library not in _NETS or not name):
        raise ValueError(f"want none, {SPECS}")
    if library == "torchscript":
        torch_models.split_side(name)
    return spec


def content(spec: str) -> str:
    """Digest of the weights that a spec names, where they are a file here, so that a recipe can hold it; else ``.

    A library's own weights go by their tag. SourceError when the detector's files are not whole.
    """
    library, _, name = spec.partition(":")
    if spec == "detector":
        return files.sealed()
    path = Path(torch_models.split_side(name)[0] if library == "torchscript" else name.partition("/")[2])
    return files.digest(path) if path.is_file() else ""


class Embedder:
    """A model and its own preprocessing. It sees `size` px a side, in `colour` or not; `facts` are for the manifest."""

    def __init__(self, spec: str, device: str = "auto") -> None:
        """Load what `spec` names, one of `SPECS`. Without a GPU, the detector runs through OpenVINO, without torch.

        Raises SourceError when the model is unknown, or its weights cannot be had or are no numbers.
        """
        try:
            checked_spec(spec)
            model = _opened(spec, device)
        except Exception as error:  # hubs, registries and files each fail in their own way
            said = " ".join(str(error).split())[:500]
            kind = "" if isinstance(error, SourceError) else f"{type(error).__name__}: "
            raise SourceError(f"embedding = {spec!r}: {kind}{said}") from None
        self._prepare, self._forward = model.prepare, model.__call__
        self.size, self.colour = model.size, model.colour
        self.colour = getattr(model, "colour", True)
        self.facts = {"model": spec, **model.facts}

    def prepare(self, pixels: NDArray[np.uint8]) -> Any:
        """What the model sees of (H, W, 3) uint8 RGB, or of (H, W) uint8 grey if not `colour`: an array or a tensor."""
        return self._prepare(pixels)

    def __call__(self, prepared: Sequence[Any]) -> list[NDArray[np.float16] | None]:
        """Embed prepared pictures -> (D,) float16 of unit length each; None where the model gave nothing finite."""
        vectors = self._forward(prepared)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            length = np.linalg.norm(vectors, axis=1, keepdims=True)
            unit = (vectors / length).astype(np.float16)
        sound = (length[:, 0] > 0) & np.isfinite(length[:, 0])
        return [vector if fine else None for vector, fine in zip(unit, sound.tolist(), strict=True)]


def _opened(spec: str, device: str) -> Runner:
    if spec == "detector":
        return open_detector(device)
    library, _, name = spec.partition(":")
    return torch_models.TorchRunner(_NETS[library](name), device)
