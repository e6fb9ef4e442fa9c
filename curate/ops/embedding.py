"""Embeddings by a named model: pixels in, unit vectors out, on a GPU in bf16 where there is one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import SourceError


class Embedder:
    """A model and its own preprocessing. `facts` tells which, for the manifest."""

    def __init__(self, spec: str, device: str = "auto") -> None:
        """Load `open_clip:MODEL/WEIGHTS` or `timm:MODEL/WEIGHTS`; WEIGHTS is a tag of the library or a file.

        Raises SourceError when the model is unknown, or its weights cannot be had or are no numbers.
        """
        import torch

        self._torch = torch
        gpu = torch.cuda.is_available() if device == "auto" else device.startswith("cuda")
        self._device = "cuda" if gpu and device == "auto" else device if device != "auto" else "cpu"
        self._dtype = torch.bfloat16 if gpu else torch.float32
        library, _, name = spec.partition(":")
        model, weights = name.partition("/")[::2]
        try:
            net, self._forward, self._preprocess, self.size = _LOADERS[library](model, weights)
            digest = _digest(net)
        except Exception as error:  # hubs, registries and files each fail in their own way
            said = " ".join(str(error).split())[:500]
            raise SourceError(f"embedding = {spec!r}: {type(error).__name__}: {said}") from None
        self.facts = {"model": spec, "weights": digest, "preprocessing": " ".join(str(self._preprocess).split())}
        net.requires_grad_(False).eval().to(self._device, self._dtype)

    def prepare(self, pixels: NDArray[np.uint8]) -> Any:
        """What the model sees of a picture: (H, W, 3) uint8 RGB -> (3, S, S) float32 tensor, S = `size` px."""
        from PIL import Image

        return self._preprocess(Image.fromarray(pixels))

    def __call__(self, prepared: Sequence[Any]) -> list[NDArray[np.float16] | None]:
        """Embed prepared pictures -> (D,) float16 of unit length each; None where the model gave nothing finite."""
        torch = self._torch
        with torch.inference_mode():
            out = self._forward(torch.stack(list(prepared)).to(self._device, self._dtype)).float()
            length = out.norm(dim=-1, keepdim=True)
            sound = (length[:, 0] > 0) & torch.isfinite(length[:, 0])
            unit = (out / length).half().cpu().numpy()
        return [vector if fine else None for vector, fine in zip(unit, sound.tolist(), strict=True)]


def _open_clip(model: str, weights: str) -> tuple[Any, Callable[[Any], Any], Any, int]:
    import open_clip

    if model not in open_clip.list_models():
        raise ValueError(f"open_clip has no model {model!r}")
    if not weights:
        raise ValueError(f"say which weights: open_clip:{model}/TAG-OR-FILE")
    net, _, preprocess = open_clip.create_model_and_transforms(model, pretrained=weights, weights_only=True)
    size = net.visual.image_size
    return net.visual, net.encode_image, preprocess, size[0] if isinstance(size, tuple) else size


def _timm(model: str, weights: str) -> tuple[Any, Callable[[Any], Any], Any, int]:
    import timm

    is_file = Path(weights).suffix in (".safetensors", ".pt", ".pth", ".bin")
    if is_file:
        net = timm.create_model(model, num_classes=0)
        missing = net.load_state_dict(_read_weights(weights), strict=False).missing_keys  # a head too many is no fault
        if missing:
            raise ValueError(f"{weights} has no {', '.join(missing[:3])}; is it of another model?")
    else:
        net = timm.create_model(f"{model}.{weights}" if weights else model, pretrained=True, num_classes=0)
    config = timm.data.resolve_model_data_config(net)
    return net, net, timm.data.create_transform(**config, is_training=False), config["input_size"][-1]


_LOADERS = {"open_clip": _open_clip, "timm": _timm}
LIBRARIES = tuple(_LOADERS)


def _read_weights(path: str) -> dict[str, Any]:
    """Read a state dict without running code from the file: safetensors, or torch's `weights_only`."""
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return dict(load_file(path))
    import torch

    read: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return dict(read.get("state_dict", read))


def _digest(net: Any) -> str:
    """Digest of the weights as they are in memory, in the order of their names: 64 hex digits; refuses NaN."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"weights `{name}` are not finite")
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
