"""Whether two pictures that are else the same differ in what is drawn over a part of one: text, a logo, a banner.

A picture with other words on it may mean the opposite; by hashes, thumbnails and alignment it is a copy. So the two are
laid over each other, one is given the brightness, contrast and sharpness of the other, and what is left must be little
everywhere. Measured on 60 photographs of clothes (clothing-00000), per edit: JPEG q10, half size, squeezed, blurred,
grey, more saturated, noisy, to 32 px: none called overlaid; brightness and contrast by 1.4, which cuts off colours one
by one: 10 %; text drawn on one or other text on both, as on memes, in bars, in a line: 87 to 100 %.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Wide = NDArray[np.float32]

_SOFT = 0.8
"""Standard deviation in px of the blur that evens out resampling."""
_SOFTER = (1.0, 1.8)
_MOSTLY = 0.8
"""Share of the pixels that a difference in tone is learned from: what is drawn covers fewer than the rest."""
_LEAST_DIFFERENCE, _TIMES_USUAL = 20.0, 12.0
"""A pixel differs by so many grey levels, and by so many times what the pixels usually do."""
_EDGE = 0.35
"""Of the contrast about a pixel, what may be left of it by an edge that lies a part of a pixel beside."""
_LEAST_PIXELS = 20
"""Of the 16,384 of a preview: the letters of a word of 8 px height."""
_GAP = (7, 3)
"""Width and height in px of the gaps between letters that are closed."""


def overlaid(frame: Grey, other: Grey, inside: NDArray[np.bool_] | None = None) -> bool:
    """Tell of two grey pictures, (H, W) uint8 both: the other is laid over the frame, and covers what is `inside`."""
    within = np.ones(frame.shape, bool) if inside is None else inside
    if within.mean() < 0.05:
        return False
    one, two = (_blurred(picture.astype(np.float32), _SOFT) for picture in (frame, other))
    left, usual = _left(one, two, within)
    strong = _strong(left, usual, one, two, within)
    if not _drawn(strong):
        return False
    for sigma in _SOFTER:  # a picture that was shrunk or blurred differs at every edge: give the other its softness
        for a, b in ((_blurred(one, sigma), two), (one, _blurred(two, sigma))):
            softer, less = _left(a, b, within)
            if less < _MOSTLY * usual:
                left, usual = softer, less
    return _drawn(_strong(left, usual, one, two, within))


def _left(one: Wide, two: Wide, within: NDArray[np.bool_]) -> tuple[Wide, float]:
    """What is left of either when the other is taken from it in its tones, (H, W), and how much that usually is.

    Whichever way leaves less: a picture whose lights were cut off can be made of the other, not the other of it.
    """
    ways = (_without(one, two, within), _without(two, one, within))
    usual = [_quantile(left[::3, ::3][within[::3, ::3]]) / 1.28 for left in ways]  # 1.28: of a normal deviation
    best = int(usual[1] < usual[0])
    return ways[best], usual[best]


def _without(one: Wide, two: Wide, within: NDArray[np.bool_]) -> Wide:
    """|one - min(max(k * two + c, 0), 255)|, (H, W): k and c fit most pixels that are not black or white in `one`."""
    free = within & (one > 4) & (one < 251)
    if free.sum() < 0.2 * within.sum():
        free = within
    free = free[::3, ::3]
    a, b = one[::3, ::3][free], two[::3, ::3][free]
    use = np.ones(len(a), bool)
    for _ in range(4):
        x, y = b[use], a[use]
        gain = float(((x - x.mean()) * (y - y.mean())).mean() / max(float(x.var()), 1e-3))
        shift = float(y.mean() - gain * x.mean())
        apart = np.abs(a - np.clip(gain * b + shift, 0, 255))
        use = apart <= _quantile(apart)
    left: Wide = np.abs(one - np.clip(gain * two + shift, 0, 255))
    return left


def _quantile(values: Wide) -> float:
    at = int(_MOSTLY * (len(values) - 1))
    return float(np.partition(values, at)[at]) if len(values) else 0.0


def _strong(left: Wide, usual: float, one: Wide, two: Wide, within: NDArray[np.bool_]) -> Grey:
    """Where so much is left that it was drawn, (H, W) of 0 and 1."""
    slack = _EDGE * np.minimum(_contrast(one), _contrast(two))
    drawn = within & (left > max(_LEAST_DIFFERENCE, _TIMES_USUAL * usual) + slack)
    return drawn.astype(np.uint8)


def _contrast(picture: Wide) -> Wide:
    about = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(picture, about) - cv2.erode(picture, about), np.float32)


def _blurred(picture: Wide, sigma: float) -> Wide:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _drawn(strong: Grey) -> bool:
    """Whether enough strong pixels lie together, over gaps such as those between letters."""
    if strong.sum() < _LEAST_PIXELS:
        return False
    joined = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, np.ones(_GAP[::-1], np.uint8))
    _, together = cv2.connectedComponents(joined, connectivity=8)
    pixels = np.bincount(together[strong > 0])
    return bool(pixels[1:].max(initial=0) >= _LEAST_PIXELS)
