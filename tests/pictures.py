"""Small pictures drawn in whole numbers, the same on every machine, and ways to encode and pack them."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from curate.contracts import contract
from curate.demo.pictures import KINDS
from curate.ops import tars
from curate.sources import Sample
from curate.stages.signatures import SignaturesSettings, Signer

Pixels = NDArray[np.uint8]
_CELLS = 8


def draw(seed: int, width: int = 128, height: int = 128) -> Pixels:
    """A picture like no other: 8 x 8 random colours, joined smoothly: (height, width, 3) uint8."""
    steps = np.arange(1, 3 * (_CELLS + 1) ** 2 + 1, dtype=np.uint64) + np.uint64(1000 * (seed + 1))
    mixed = steps * np.uint64(6364136223846793005)  # wraps; the upper bits are well mixed
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    grid = (mixed >> np.uint64(56)).astype(np.int64).reshape(_CELLS + 1, _CELLS + 1, 3)
    y, x = np.arange(height)[:, None] * _CELLS, np.arange(width)[None, :] * _CELLS
    (top, down), (left, right) = np.divmod(y, height), np.divmod(x, width)
    down, right = down[..., None], right[..., None]
    above = grid[top, left] * (width - right) + grid[top, left + 1] * right
    below = grid[top + 1, left] * (width - right) + grid[top + 1, left + 1] * right
    drawn: Pixels = ((above * (height - down) + below * down) // (width * height)).astype(np.uint8)
    return drawn


@cache
def textured(kind: str, seed: int = 0, width: int = 400, height: int = 300) -> Pixels:
    """One of the demo's drawings, rich in detail as photographs are: (height, width, 3) uint8."""
    drawn = KINDS[kind](np.random.default_rng([seed, sorted(KINDS).index(kind)]), (width, height)).image
    pixels = np.array(drawn.convert("RGB"))
    pixels.flags.writeable = False  # it is the same array for all
    return pixels


def image(seed: int, width: int = 128, height: int = 128) -> Image.Image:
    """The drawn picture as Pillow's."""
    return Image.fromarray(draw(seed, width, height))


def encode(picture: Image.Image | Pixels, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture."""
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, form, **options)
    return out.getvalue()


def png(seed: int, width: int = 128, height: int = 128) -> bytes:
    """A drawn picture as PNG."""
    return encode(draw(seed, width, height))


def sample(key: str, data: bytes, caption: str | None = None, extension: str = "png") -> Sample:
    """A sample of one image, and its caption if it has one."""
    text = () if caption is None else (("txt", caption.encode()),)
    return Sample(key, ((extension, data), *text), caption=caption)


def sign(pictures: dict[str, bytes], shard: str = "00000", **settings: Any) -> pa.Table:
    """The signatures of images by key, hashes only unless asked; a key's part behind `=` is the caption."""
    samples = [sample(k.partition("=")[0], data, k.partition("=")[2] or None) for k, data in pictures.items()]
    return Signer(SignaturesSettings(**{"embedding": "none", **settings}))(shard, samples)


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    """A tar of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for name, data in members.items():
            tars.write(file, name, data)
        file.write(tars.END)
    return path


def rows(name: str, *given: dict[str, Any]) -> pa.Table:
    """A table of dataset `name` from rows that leave out what does not matter; null there, or empty, or 0."""
    columns = contract(name).columns
    blank = {c.name: None if c.null else _plain(c.type) for c in columns}
    full = [{**blank, **row} for row in given]
    return pa.Table.from_pylist(full, schema=contract(name).schema)


def _plain(kind: pa.DataType) -> Any:
    if pa.types.is_fixed_size_binary(kind):
        return bytes(kind.byte_width)
    if pa.types.is_boolean(kind):
        return False
    return "" if pa.types.is_string(kind) else b"" if pa.types.is_binary(kind) else 0


def turned(hashes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hashes as they are, then mirrored and laid in all other ways, bit by bit: (N, 32) -> (8, N, 32)."""
    bits, odd = np.unpackbits(hashes, axis=1).reshape(-1, 16, 16), np.arange(16) % 2
    masks = [down * odd[:, None] ^ across * odd[None, :] for down in (0, 1) for across in (0, 1)]
    ways = [one ^ mask.astype(np.uint8) for one in (bits, bits.swapaxes(1, 2)) for mask in masks]
    return np.stack([np.packbits(way.reshape(-1, 256), axis=1) for way in ways])
