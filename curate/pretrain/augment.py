"""Random edits of training pictures: a square cut, RandAugment and mixup; a generator decides all of them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional

_EDITS = 2
"""Random edits an image, as RandAugment has it."""
_Edit = Callable[[Tensor, float], Tensor]


def _moved(pixels: Tensor, angle: float = 0, shift: tuple[float, float] = (0, 0), shear: float = 0) -> Tensor:
    at = [round(step * pixels.shape[-1]) for step in shift]
    moved: Tensor = functional.affine(pixels, angle, at, 1.0, [shear, 0.0], fill=[128.0])
    return moved


EDITS: dict[str, _Edit] = {
    "autocontrast": lambda x, _: functional.autocontrast(x),
    "equalize": lambda x, _: functional.equalize(x),
    "brightness": lambda x, s: functional.adjust_brightness(x, 1 + 0.9 * s),
    "colour": lambda x, s: functional.adjust_saturation(x, 1 + 0.9 * s),
    "contrast": lambda x, s: functional.adjust_contrast(x, 1 + 0.9 * s),
    "sharpness": lambda x, s: functional.adjust_sharpness(x, 1 + 0.9 * s),
    "posterize": lambda x, s: functional.posterize(x, 8 - round(4 * abs(s))),
    "solarize": lambda x, s: functional.solarize(x, 255 - 255 * abs(s)),
    "rotate": lambda x, s: _moved(x, angle=30 * s),
    "shear": lambda x, s: _moved(x, shear=17 * s),
    "shift x": lambda x, s: _moved(x, shift=(0.3 * s, 0)),
    "shift y": lambda x, s: _moved(x, shift=(0, 0.3 * s)),
}
"""(3, S, S) uint8 and a signed strength of -1 to 1 -> (3, S, S) uint8. torchvision's own use a global generator."""


def cut(pixels: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random square of at least `side` px, mirrored or not: (S, S, 3) uint8 -> (side, side, 3) uint8."""
    size = int(rng.integers(side, len(pixels) + 1))
    top, left = rng.integers(0, len(pixels) - size + 1, 2).tolist()
    chosen = cv2.resize(pixels[top : top + size, left : left + size], (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(chosen[:, ::-1] if rng.random() < 0.5 else chosen, np.uint8)


def rand_augment(pixels: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Two random edits of `strength` 0 to 10, as RandAugment has it: (S, S, 3) uint8 -> the same."""
    if not strength:
        return pixels
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
    for name in rng.choice(list(EDITS), _EDITS):
        x = EDITS[name](x, strength / 10 * float(rng.choice([-1, 1])))
    return np.asarray(x.permute(1, 2, 0), np.uint8)


def mixed(pixels: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mix each picture and its targets with another's by one share of Beta(alpha, alpha); as given when alpha is 0.

    (B, S, S, 3) uint8 and (B, C) float32 -> the same shapes and types.
    """
    if not alpha:
        return pixels, targets
    share = float(rng.beta(alpha, alpha))
    blend = (share * pixels.float() + (1 - share) * pixels.flip(0).float()).round().to(torch.uint8)
    return blend, share * targets + (1 - share) * targets.flip(0)
