"""How sure a share is."""

from __future__ import annotations

import math

_Z = 1.959964
"""97.5 % point of the standard normal distribution."""


def wilson(found: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share: never outside 0 to 1, and honest near both ends; (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    share, z2 = found / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)
