"""The evidence on a pair, whoever asks: what verified it, by which score, how one picture was made of the other.

Contamination and duplicates are verified by this code alone: by thumbnails where these can be laid over each other as
they are, else by aligning the stored previews.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import simplejpeg

from curate.errors import SourceError
from curate.ops.alignment import Portrait, mirrored, portrait
from curate.ops.verify import compare
from curate.ops.views import PREVIEW_AREA

_PORTRAITS = 1000
"""Pictures held ready for alignment, each of about half a MiB."""

Both = tuple[Portrait, Portrait]
"""A picture as it is and mirrored."""


class Evidence(NamedTuple):
    """What decided that two pictures are one; the columns of the same names of contract `contamination`."""

    verified_by: str
    score: float
    threshold: float
    mirrored: bool = False
    rotation: float = 0.0
    shown: float = 1.0
    covers: float = 1.0


BYTES = Evidence("bytes", 1.0, 1.0)


def aligned(sample: Portrait | None, image: Both | None, least: float) -> Evidence | None:
    """The evidence of an alignment; None where there is none with `least` of the blocks agreeing, or no preview.

    Classes of pairs that are aligned and yet not the same picture (only the drawn text differs, say) come from here.
    """
    verdict = compare(sample, image, least) if sample and image else None
    if verdict is None or verdict.agreement < least:
        return None
    how = verdict.mirrored, verdict.rotation, verdict.shown, verdict.covers
    return Evidence("alignment", verdict.agreement, least, *how)


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
    if preview is None:
        return None
    try:
        height, width = simplejpeg.decode_jpeg_header(preview)[:2]
        if height * width > PREVIEW_AREA:
            raise ValueError(f"it says that it is {width} x {height} px")
        return portrait(simplejpeg.decode_jpeg(preview, colorspace="GRAY")[:, :, 0])
    except (ValueError, KeyError) as error:  # KeyError: simplejpeg, on a colour space it has no name for
        raise SourceError(f"a stored preview is damaged: {error}; delete the part and make it again") from None
