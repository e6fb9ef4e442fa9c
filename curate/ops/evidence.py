"""The evidence on a pair, whoever asks: what verified it, by which score, how one picture was made of the other.

Contamination and duplicates are verified by this code alone: by thumbnails where these can be laid over each other as
they are and tell enough, else by aligning the stored previews.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from curate.errors import SourceError
from curate.ops.agreement import lay
from curate.ops.alignment import Portrait, mirrored, portrait
from curate.ops.overlay import overlaid
from curate.ops.verify import compare
from curate.ops.views import PREVIEW_AREA

_PORTRAITS = 1000
"""Pictures held ready for alignment, each of about half a MiB."""

Both = tuple[Portrait, Portrait]
"""A picture as it is and mirrored."""

SURE_SIMILARITY = 0.97
"""Correlation below which thumbnails decide only on pictures that `show_little`.

Between .92 and .97 alignment confirms 205 of 208 copies of photographs, and 23 of 54 pairs of lookalike drawings.
"""
_LITTLE = 96 * 96
"""Area of a preview in px below which alignment finds less than thumbnails do: of 200 photographs of 64 px, blurred by
2 px, 138 instead of 191; of 32 px none instead of 48.
"""


class Evidence(NamedTuple):
    """What decided that two pictures are one; the columns of the same names of contract `contamination`."""

    verified_by: str
    score: float
    threshold: float
    mirrored: bool = False
    rotation: float = 0.0
    shown: float = 1.0
    covers: float = 1.0
    overlaid: bool = False
    """Whether the two differ in what is drawn over a part of one; where that was looked for."""


BYTES = Evidence("bytes", 1.0, 1.0)


def show_little(one: bytes | None, other: bytes | None) -> bool:
    """Whether one of two previews shows hardly more than a thumbnail, or is missing."""
    return any(preview is None or math.prod(_size(preview)) < _LITTLE for preview in (one, other))


def aligned(
    sample: Portrait | None, image: Both | None, least: float, *, likely: bool = False, look: bool = False
) -> Evidence | None:
    """The evidence of an alignment; None where there is none with an agreement of `least`, or no preview.

    `likely`: as of `curate.ops.verify.compare`. `look`: also whether something is drawn over a part of one.
    """
    verdict = compare(sample, image, least, likely=likely) if sample and image else None
    if verdict is None or verdict.agreement < least:
        return None
    how = verdict.mirrored, verdict.rotation, verdict.shown, verdict.covers
    drawn = look and _overlaid_where_laid(sample, image[verdict.mirrored], verdict.matrix)  # type: ignore[arg-type,index]
    return Evidence("alignment", verdict.agreement, least, *how, drawn)


def _overlaid_where_laid(sample: Portrait, image: Portrait, matrix: NDArray[np.float64]) -> bool:
    """Whether something is drawn over a part of one, where the two overlap; their edges are left out."""
    laid = lay(sample, image, matrix)
    inner = cv2.erode(laid.inside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return overlaid(laid.frame.grey, laid.over, inner)


def overlaid_as_they_are(one: bytes, other: bytes) -> bool:
    """Whether something is drawn over a part of one of two pictures, by their previews, that are whole and upright."""
    frame, over = decoded(one), decoded(other)
    if frame.shape != over.shape:
        way = cv2.INTER_AREA if over.size > frame.size else cv2.INTER_CUBIC
        over = cv2.resize(over, frame.shape[::-1], interpolation=way).astype(np.uint8, copy=False)
    return overlaid(frame, over)


class Portraits:
    """Pictures ready for alignment, by number; the last 1,000 are kept. Safe to ask from several threads."""

    def __init__(self, preview: Callable[[int], bytes | None]) -> None:
        """`preview` gives the stored preview of a picture."""
        self._preview = preview
        self._made: OrderedDict[int, Both | None] = OrderedDict()
        self._lock = Lock()

    def __call__(self, key: int) -> Both | None:
        """The portrait as it is and mirrored; None where there is no preview."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        seen = opened(self._preview(key))
        both = (seen, mirrored(seen)) if seen else None
        with self._lock:
            self._made[key] = both
            if len(self._made) > _PORTRAITS:
                self._made.popitem(last=False)
        return both


def opened(preview: bytes | None) -> Portrait | None:
    """The portrait of a stored preview; SourceError where it is not a preview."""
    return None if preview is None else portrait(decoded(preview))


def decoded(preview: bytes) -> NDArray[np.uint8]:
    """The grey levels of a stored preview, (H, W); SourceError where it is not a preview."""
    _size(preview)
    with _damage_told():
        grey: NDArray[np.uint8] = simplejpeg.decode_jpeg(preview, colorspace="GRAY")[:, :, 0]
        return grey


def _size(preview: bytes) -> tuple[int, int]:
    """Height and width of a stored preview in px; SourceError where it is not a preview."""
    with _damage_told():
        height, width = simplejpeg.decode_jpeg_header(preview)[:2]
        if height * width > PREVIEW_AREA:
            raise ValueError(f"it says that it is {width} x {height} px")
        return height, width


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError) as error:  # KeyError: simplejpeg, on a colour space it has no name for
        raise SourceError(f"a stored preview is damaged: {error}; delete the part and make it again") from None
