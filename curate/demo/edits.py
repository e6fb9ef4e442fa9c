"""What happens to a benchmark's pictures on their way round the web: bytes in, bytes of the edited picture out."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance

from curate.demo.brush import Rng
from curate.demo.encode import File, jpeg, saved

Edit = Callable[[File, Rng], File]


def _opened(file: File) -> Image.Image:
    return Image.open(io.BytesIO(file.data)).convert("RGB")


def _byte_equal(file: File, rng: Rng) -> File:
    return file


def _jpeg_30(file: File, rng: Rng) -> File:
    return jpeg(_opened(file), 30)


def _resize_half(file: File, rng: Rng) -> File:
    image = _opened(file)
    return jpeg(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS), 88)


def _mirror(file: File, rng: Rng) -> File:
    return jpeg(_opened(file).transpose(Image.Transpose.FLIP_LEFT_RIGHT), 88)


def _crop_80(file: File, rng: Rng) -> File:
    """80 % of the area, the same shape, from anywhere in the picture."""
    image, side = _opened(file), np.sqrt(0.8)
    width, height = round(image.width * side), round(image.height * side)
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return jpeg(image.crop((left, top, left + width, top + height)), 88)


def _squeeze(file: File, rng: Rng) -> File:
    return jpeg(_opened(file).resize((224, 224), Image.Resampling.BICUBIC), 88)


def _brightness(file: File, rng: Rng) -> File:
    lit = ImageEnhance.Brightness(_opened(file)).enhance(float(rng.uniform(0.75, 1.3)))
    return jpeg(ImageEnhance.Contrast(lit).enhance(float(rng.uniform(0.8, 1.35))), 88)


def _colour(file: File, rng: Rng) -> File:
    """More or less saturated, and each channel a little stronger or weaker."""
    image = ImageEnhance.Color(_opened(file)).enhance(float(rng.choice((0.4, 1.8))))
    tinted = np.asarray(image) * rng.uniform(0.85, 1.15, 3)
    return jpeg(Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8)), 88)


def _grey(file: File, rng: Rng) -> File:
    return jpeg(_opened(file).convert("L"), 88)


def _tiny(file: File, rng: Rng) -> File:
    return saved(_opened(file).resize((32, 32), Image.Resampling.LANCZOS), "png")


def _rotate_90(file: File, rng: Rng) -> File:
    return jpeg(_opened(file).transpose(Image.Transpose.ROTATE_90), 88)


EDITS: dict[str, Edit] = {
    "byte-equal copy": _byte_equal,
    "JPEG quality 30": _jpeg_30,
    "resize 50 %": _resize_half,
    "mirror": _mirror,
    "crop to 80 % of area": _crop_80,
    "squeeze to square": _squeeze,
    "brightness and contrast": _brightness,
    "colour change": _colour,
    "grey": _grey,
    "32 px": _tiny,
    "rotate 90": _rotate_90,
}

DUPLICATES: dict[str, Edit] = {
    "same bytes, other URL": _byte_equal,
    "same bytes, other caption": _byte_equal,
    "re-encoded": lambda file, rng: jpeg(_opened(file), int(rng.integers(45, 75))),
    "resized": lambda file, rng: _resized(file, float(rng.uniform(0.55, 0.85))),
}


def _resized(file: File, scale: float) -> File:
    image = _opened(file)
    return jpeg(image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS), 85)
