"""How much of a processor's arithmetic a training uses."""

from __future__ import annotations

from curate.pretrain.model import SIZES
from curate.pretrain.settings import PretrainSettings

_PEAK = {"B200": 2250e12, "H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
"""Multiplications and additions a second, dense bf16 on tensor cores, from the makers' data sheets."""


def operations(settings: PretrainSettings) -> float:
    """Multiplications and additions to train on one image, forward and twice that backward; text is not counted."""
    size = SIZES[settings.model]
    patches = (settings.image_size // settings.patch) ** 2
    tokens = patches + (settings.pool == "token")
    block = 4 * size.width**2 + 2 * size.width * size.mlp + 2 * tokens * size.width
    return 3.0 * 2 * (size.depth * tokens * block + patches * 3 * settings.patch**2 * size.width)


def used(settings: PretrainSettings, images_per_second: float, device: str, devices: int = 1) -> float | None:
    """The share of the devices' peak that the model's own arithmetic takes (MFU); None when the peak is not known."""
    peak = next((peak for name, peak in _PEAK.items() if name in device), None)
    return None if peak is None else operations(settings) * images_per_second / (peak * devices)
