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


def clopper_pearson(found: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval, which holds the share `level` of the time or more; (0, 1) of nothing."""
    from scipy.special import betaincinv  # here, since not every reader of a report needs it

    tail = (1 - level) / 2
    low = float(betaincinv(found, of - found + 1, tail)) if found else 0.0
    high = float(betaincinv(found + 1, of - found, 1 - tail)) if found < of else 1.0
    return low, high


def at_most(found: int, of: int) -> float:
    """The share that 95 % of the time is not exceeded, exact and one-sided: about 3 / `of` where none was found."""
    from scipy.special import betaincinv

    return float(betaincinv(found + 1, of - found, 0.95)) if found < of else 1.0
