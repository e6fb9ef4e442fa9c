"""Make an image the size that img2dataset's options ask for. Only run when `resize_mode` is not `no`."""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from curate.config import Settings
from curate.ops import images
from curate.ops.images import Fault, Header

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tiff", "AVIF": "avif"}
_QUALITY = {"jpg": cv2.IMWRITE_JPEG_QUALITY, "png": cv2.IMWRITE_PNG_COMPRESSION, "webp": cv2.IMWRITE_WEBP_QUALITY}
_BY_SHORT_SIDE = ("keep_ratio", "center_crop")


class ResizeSettings(Settings):
    """Which size images get; the options of img2dataset, but by default the original bytes are kept."""

    resize_mode: Literal["no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"] = Field(
        "no", description="no: bytes as fetched. Else the short (keep_ratio, center_crop) or long side gets image_size"
    )
    image_size: int = Field(256, ge=1, le=8192, description="px")
    resize_only_if_bigger: bool = Field(False, description="leave smaller images at their size")
    encode_format: Literal["jpg", "png", "webp"] = Field("jpg", description="format of resized images")
    encode_quality: int = Field(95, ge=0, le=100, description="1 to 100 for jpg and webp; png: compression 0 to 9")
    skip_reencode: bool = Field(False, description="keep the bytes of what needs no resizing and is in encode_format")

    @model_validator(mode="after")
    def _png_compression(self) -> ResizeSettings:
        if self.encode_format == "png" and self.encode_quality > 9:
            raise ValueError("encode_quality is PNG's compression here, 0 to 9")
        return self


class Encoded(NamedTuple):
    """An image's bytes, the extension they go by, and width and height in px."""

    data: bytes
    extension: str
    width: int
    height: int


def resize(data: bytes, header: Header, how: ResizeSettings) -> Encoded | Fault:
    """Decode, resize and encode anew as img2dataset does, with EXIF rotation applied (encoding drops the tag)."""
    target = _target(header.width, header.height, how)
    extension = EXTENSIONS[header.format]
    if target is None and how.skip_reencode and extension == how.encode_format:
        return Encoded(data, extension, header.width, header.height)
    seen = images.decode(data, header, min(target or (header.width, header.height)), colour=True)
    if isinstance(seen, Fault):
        return seen
    pixels = seen.pixels
    target = _target(seen.width, seen.height, how)
    if target is not None:
        shrink = target[0] < pixels.shape[1]
        pixels = cv2.resize(pixels, target, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LANCZOS4)  # type: ignore[assignment]
        pixels = _framed(pixels, how)
    good, coded = cv2.imencode(
        f".{how.encode_format}", pixels[:, :, ::-1], [_QUALITY[how.encode_format], how.encode_quality]
    )
    if not good:
        return Fault("unreadable", f"cannot be encoded as {how.encode_format}")
    return Encoded(coded.tobytes(), how.encode_format, pixels.shape[1], pixels.shape[0])


def _target(width: int, height: int, how: ResizeSettings) -> tuple[int, int] | None:
    """Width and height to scale to, None when the image stays as it is."""
    side = min(width, height) if how.resize_mode in _BY_SHORT_SIDE else max(width, height)
    if how.resize_only_if_bigger and side <= how.image_size:
        return None
    scale = how.image_size / side
    return max(1, round(width * scale)), max(1, round(height * scale))


def _framed(pixels: NDArray[np.uint8], how: ResizeSettings) -> NDArray[np.uint8]:
    """Cut the centre square out, or lay the image on a white square; (H, W, 3) uint8."""
    size, (height, width) = how.image_size, pixels.shape[:2]
    if how.resize_mode == "center_crop":
        top, left = (height - size) // 2, (width - size) // 2
        return pixels[top : top + size, left : left + size]
    if how.resize_mode == "border":
        square = np.full((size, size, 3), 255, np.uint8)
        top, left = (size - height) // 2, (size - width) // 2
        square[top : top + height, left : left + width] = pixels
        return square
    return pixels
