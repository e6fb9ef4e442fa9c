"""All clean pictures of the demo: those of the web and those of its benchmark, no two of them alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.demo import places, things
from curate.demo.brush import Drawn, Size, pick
from curate.demo.collages import collages
from curate.demo.photos import cuts

KINDS = {
    "hills": places.hills,
    "city": places.city,
    "sea": places.sea,
    "space": places.space,
    "reef": places.reef,
    "table": things.table,
    "chart": things.chart,
    "fabric": things.fabric,
    "flowers": things.flowers,
    "fractal": things.fractal,
}
"""The drawn kinds: the classes of the benchmark, beside `photo`."""

A_KIND_WEB = 42
A_KIND_BENCHMARK = 8
SIZES: tuple[Size, ...] = (
    *((320, 240), (400, 300), (480, 320), (512, 384), (512, 288), (320, 213)),
    *((240, 320), (300, 400), (256, 256), (360, 360)),
)

APART = 88
"""Bits of 256 by which a new picture must differ from every earlier one. The promise to the reader is 70: encoding,
alpha and EXIF turning move a hash by a few bits more."""

_TURNS = (None, *Image.Transpose)


class Pictures(NamedTuple):
    """The web's pictures in order of making, and the benchmark's by class."""

    web: list[Drawn]
    benchmark: dict[str, list[Drawn]]


def pictures(seed: int = 0) -> Pictures:
    """Make all clean pictures; the same seed gives the same pixels."""
    guard = _Guard()
    benchmark = {"photo": list(guard.admitted(cuts("benchmark")))}
    web = list(guard.admitted(cuts("corpus")))
    web += guard.admitted(collages(np.random.default_rng([seed, 99]), list(cuts("tile")), SIZES))
    for number, kind in enumerate(KINDS):
        drawn = guard.admitted(_endless(kind, [seed, number]))
        benchmark[kind] = [next(drawn) for _ in range(A_KIND_BENCHMARK)]
        web += [next(drawn) for _ in range(A_KIND_WEB)]
    return Pictures(web, benchmark)


def _endless(kind: str, seed: list[int]) -> Iterator[Drawn]:
    """Pictures of one kind, each from its own random stream."""
    for number in count():
        rng = np.random.default_rng([*seed, number])
        yield KINDS[kind](rng, pick(rng, SIZES))


class _Guard:
    """Remembers the hashes of what it admitted, and refuses what resembles it in any turn, whole or centre square."""

    def __init__(self) -> None:
        self._seen: list[NDArray[np.uint64]] = []

    def admitted(self, drawn: Iterable[Drawn]) -> Iterator[Drawn]:
        """Those that do not resemble any earlier one."""
        for one in drawn:
            views = np.stack([_hash(region, turn) for region in _regions(one.image) for turn in _TURNS])
            upright = views[:: len(_TURNS)]
            if self._nearest(upright) >= APART:
                self._seen.append(views)
                yield one

    def _nearest(self, upright: NDArray[np.uint64]) -> int:
        """The least Hamming distance in bits of (2, 4) uint64 hashes to any view seen."""
        if not self._seen:
            return 256
        seen = np.concatenate(self._seen)
        return int(np.bitwise_count(seen[None] ^ upright[:, None]).sum(axis=2).min())


def _regions(image: Image.Image) -> list[Image.Image]:
    """The whole picture and its centre square, both as 64 x 64 grey: all that a 256-bit pHash sees."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return [region.convert("L").resize((64, 64), Image.Resampling.LANCZOS) for region in (image, square)]


def _hash(region: Image.Image, turn: Image.Transpose | None) -> NDArray[np.uint64]:
    turned = region if turn is None else region.transpose(turn)
    bits = np.asarray(imagehash.phash(turned, hash_size=16).hash)
    return np.packbits(bits).view(np.uint64)
