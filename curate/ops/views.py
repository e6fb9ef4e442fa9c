"""The canonical ways to look at an image. Few on the corpus side, where they cost; many on the benchmark side.

| view             | meets                                                                      |
|------------------|----------------------------------------------------------------------------|
| whole            | re-encoded, resized, recoloured, and squeezed to another aspect            |
| square           | cut to the centre square, as most benchmarks and loaders do                |
| REGION+TURN      | mirrored, flipped or turned by quarters, before or after either of these    |

The benchmark's REGION+TURN views meet the corpus' `whole` and `square`, so no turned view is made of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.ops.hashing import centre_square, view
from curate.ops.verify import SIDE

REGIONS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {"whole": lambda a: a, "square": centre_square}

TURNS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "": lambda a: a,
    "+mirror": lambda a: a[:, ::-1],
    "+flip": lambda a: a[::-1],
    "+rot90": lambda a: np.rot90(a, 1),
    "+rot180": lambda a: np.rot90(a, 2),
    "+rot270": lambda a: np.rot90(a, 3),
    "+transpose": lambda a: a.swapaxes(0, 1),
    "+transverse": lambda a: np.rot90(a, 2).swapaxes(0, 1),
}


def regions(grey: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The corpus side's views, in the order of `REGIONS`: (H, W) uint8 -> 2 of (64, 64) uint8."""
    return [view(cut(grey)) for cut in REGIONS.values()]


def turned(seen: Iterable[NDArray[np.uint8]], square: bool) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The benchmark side's views and their names, from its `regions`, each (64, 64) uint8: 16 of (64, 64) uint8.

    A `square` picture's regions are the same, so it has 8.
    """
    for name, region in list(zip(REGIONS, seen, strict=True))[: 1 if square else None]:
        for turn, apply in TURNS.items():
            yield name + turn, np.ascontiguousarray(apply(region))


def thumbnail(seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a view for verification: (64, 64) uint8 -> (1024,) uint8."""
    return cv2.resize(seen, (SIDE, SIDE), interpolation=cv2.INTER_AREA).reshape(-1)  # type: ignore[return-value]
