"""Models of other libraries, run by torch: open_clip, timm, and TorchScript files such as SSCD's and ISC's."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.detector import files


class Net(NamedTuple):
    """A network and how it is used."""

    net: Any
    forward: Callable[[Any], Any]
    """(N, 3, S, S) tensor -> (N, D) tensor."""
    preprocess: Any
    """A Pillow image -> (3, S, S) float32 tensor."""
    size: int
    """S, px."""
    weights: str
    """Their digest, 64 hex digits."""
    can_halve: bool = True
    """Whether its weights may be turned into bf16; a script's own constants would stay float32."""


class TorchRunner:
    """A network opened on a device, in bf16 on a GPU where it can; see `curate.detector.embed.Runner`."""

    colour = True

    def __init__(self, opened: Net, device: str) -> None:
        import torch

        self._torch = torch
        gpu = torch.cuda.is_available() if device == "auto" else device.startswith("cuda")
        self._device = "cuda" if gpu and device == "auto" else device if device != "auto" else "cpu"
        self._dtype = torch.bfloat16 if gpu and opened.can_halve else torch.float32
        self._forward, self._preprocess, self.size = opened.forward, opened.preprocess, opened.size
        self.facts = {"weights": opened.weights, "preprocessing": " ".join(str(self._preprocess).split())}
        opened.net.eval().to(self._device, self._dtype)

    def prepare(self, pixels: NDArray[np.uint8]) -> Any:
        """(H, W, 3) uint8 RGB -> (3, S, S) float32 tensor."""
        from PIL import Image

        return self._preprocess(Image.fromarray(pixels))

    def __call__(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """N of (3, S, S) float32 -> (N, D) float32, of any length."""
        torch = self._torch
        with torch.inference_mode():
            out = self._forward(torch.stack(list(prepared)).to(self._device, self._dtype))
            vectors: NDArray[np.float32] = out.float().cpu().numpy()
        return vectors


def open_clip(name: str) -> Net:
    """Open `MODEL/WEIGHTS`, WEIGHTS a tag of the library or a file."""
    import open_clip as library

    model, weights = name.partition("/")[::2]
    if model not in library.list_models():
        raise ValueError(f"open_clip has no model {model!r}")
    if not weights:
        raise ValueError(f"say which weights: open_clip:{model}/TAG-OR-FILE")
    net, _, preprocess = library.create_model_and_transforms(model, pretrained=weights, weights_only=True)
    size = net.visual.image_size
    size = size[0] if isinstance(size, tuple) else size
    return Net(net.visual, net.encode_image, preprocess, size, _digest(net.visual))


def timm(name: str) -> Net:
    """Open `MODEL/WEIGHTS`, WEIGHTS a tag of the library or a file; MODEL alone has the library's own default."""
    import timm as library

    model, weights = name.partition("/")[::2]
    if Path(weights).suffix in (".safetensors", ".pt", ".pth", ".bin"):
        net = library.create_model(model, num_classes=0)
        missing = net.load_state_dict(_read_weights(weights), strict=False).missing_keys  # a head too many is no fault
        if missing:
            raise ValueError(f"{weights} has no {', '.join(missing[:3])}; is it of another model?")
    else:
        net = library.create_model(f"{model}.{weights}" if weights else model, pretrained=True, num_classes=0)
    config = library.data.resolve_model_data_config(net)
    preprocess = library.data.create_transform(**config, is_training=False)
    return Net(net, net, preprocess, config["input_size"][-1], _digest(net))


def torchscript(name: str) -> Net:
    """Open `FILE` or `FILE?side=PX` (288 if not said), such as SSCD's: pictures are squashed, ImageNet's mean and std.

    Only for files whose origin you trust. No Python of the file runs, and its pickles are read by torch's own reader,
    which makes tensors and plain values only; but the file is a program, in TorchScript: it decides what is computed,
    can take all memory and time, and torch does not promise that no operator can do harm. Its digest is recorded.
    Safetensors files, in contrast, hold numbers alone.
    """
    import torch
    from torchvision import transforms

    path, side = split_side(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch would rather have another format; the files are in this
        net = torch.jit.load(path, map_location="cpu")
    _digest(net)
    preprocess = transforms.Compose(
        [
            transforms.Resize((side, side)),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    return Net(net, net, preprocess, side, files.digest(Path(path)), can_halve=False)


def split_side(name: str) -> tuple[str, int]:
    """Split `FILE?side=PX` into file and side; 288 px if not said. ValueError for any other query."""
    path, asked, query = name.partition("?")
    if not asked:
        return path, 288
    key, _, side = query.partition("=")
    if key != "side" or not side.isdecimal() or not 16 <= int(side) <= 1024:
        raise ValueError(f"after the file comes ?side=PX, 16 to 1024, not {asked + query!r}")
    return path, int(side)


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
