"""Learning rates: a linear warm-up, then half a cosine, or the reciprocal square root with a cool-down at the end."""

from __future__ import annotations

import math

from curate.pretrain.settings import PretrainSettings


def learning_rate(step: int, settings: PretrainSettings) -> float:
    """The rate of a step, counted from 0. With W warm-up and C cool-down steps of T, and the peak P:

    s < W: P (s+1) / W.  cosine: P/2 (1 + cos(pi (s-W) / (T-W))).
    rsqrt: P sqrt(W / (s+1)), in the last C steps times (T-s) / (C+1): as in big_vision, the time scale is the warm-up.
    """
    steps, peak = settings.steps, settings.learning_rate
    warm = max(1, round(steps * settings.warm_up))
    if step < warm:
        return peak * (step + 1) / warm
    if settings.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
    cool = round(steps * settings.cool_down)
    return peak * math.sqrt(warm / (step + 1)) * min(1.0, (steps - step) / (cool + 1))
