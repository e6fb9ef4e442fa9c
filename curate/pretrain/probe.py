"""Probes of a benchmark: what its images' features are good for, before and after training, and of raw pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from curate import sources
from curate.ops.intervals import wilson
from curate.pretrain import fewshot
from curate.pretrain.data import square
from curate.pretrain.result import Estimate, Probe
from curate.pretrain.settings import PretrainSettings
from curate.sources import SourceSettings

Pixels = NDArray[np.uint8]
Features = Callable[[Pixels], NDArray[np.float64]]
"""Frozen features: (B, S, S, 3) uint8 -> (B, D) float64."""

_BATCH = 256
_RAW_SIDE = 16


class Seen(NamedTuple):
    """Labelled images as each net sees them: labels, `held` (N,) bool where a split is given, and features by net."""

    labels: list[str]
    held: NDArray[np.bool_] | None
    features: dict[str, NDArray[np.float64]]


def labelled(where: SourceSettings, side: int, max_pixels: int) -> Iterator[tuple[str, Pixels]]:
    """Every readable image of a benchmark that has a label: (label, (side, side, 3) uint8)."""
    for shard in sources.find(where):
        for sample in sources.read(shard):
            if sample.label is not None and (pixels := square(sample.image or b"", side, max_pixels)) is not None:
                yield sample.label, pixels


def raw_pixels(pixels: Pixels) -> NDArray[np.float64]:
    """What a probe can do without any net: 16 x 16 pixels, (B, S, S, 3) uint8 -> (B, 768) float64, 0 to 1."""
    small = [cv2.resize(one, (_RAW_SIDE, _RAW_SIDE), interpolation=cv2.INTER_AREA) for one in pixels]
    return np.stack(small).reshape(len(pixels), -1) / 255.0


def see(
    pictures: Iterator[tuple[str, Pixels]], nets: Mapping[str, Features], held: NDArray[np.bool_] | None = None
) -> Seen:
    """Features of pictures that are read once."""
    labels: list[str] = []
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in nets}
    while batch := list(islice(pictures, _BATCH)):
        labels += [label for label, _ in batch]
        pixels = np.stack([pixels for _, pixels in batch])
        for name, net in nets.items():
            found[name].append(net(pixels))
    return Seen(labels, held, {name: np.concatenate(x) if x else np.empty((0, 0)) for name, x in found.items()})


def probes(name: str, seen: Seen, settings: PretrainSettings) -> tuple[list[Probe], str | None]:
    """All probes that a benchmark allows; and why it allows none, else None.

    The last net of `seen` is the trained one; it gains on the one before it. All nets are probed on the same draws.
    """
    if not seen.labels:
        return [], "no readable image has a label"
    done = [_probe(name, f"{n} shot{'s' if n > 1 else ''}", seen, settings, n) for n in settings.shots]
    if len(set(seen.labels)) > 1:
        done += [_probe(name, method, seen, settings, None) for method in _WHOLE]
    found = [probe for probe in done if probe]
    fewest = min(settings.shots)
    return found, None if found else f"fewer than 2 classes have more than {fewest} image{'s' if fewest > 1 else ''}"


_WHOLE = {"nearest neighbours": fewshot.nearest, "linear": fewshot.linear}


def _probe(name: str, method: str, seen: Seen, settings: PretrainSettings, shots: int | None) -> Probe | None:
    """One probe of one benchmark; None when fewer than 2 classes have images both to fit and to test."""
    keep, y, classes = _usable(seen, shots or 1)
    if classes < 2:
        return None
    held = None if seen.held is None else seen.held[keep]
    draws = 1 if shots is None and held is not None else settings.probe_seeds  # a split that is given is not drawn
    seeds = range(settings.seed * draws, (settings.seed + 1) * draws)  # every training has draws of its own
    splits = [fewshot.split(y, shots, seed, held) for seed in seeds]
    fit = _WHOLE.get(method, fewshot.few_shot)
    scores = {net: [fit(x[keep], y, rows) for rows in splits] for net, x in seen.features.items()}
    *_, before, after = scores.values()
    return Probe(
        benchmark=name,
        method=method,
        classes=classes,
        tested=len(splits[0].tested),
        seeds=draws,
        chance=1 / classes,
        nets={net: _of_draws(each, len(splits[0].tested)) for net, each in scores.items()},
        gain=estimate([b - a for a, b in zip(before, after, strict=True)], least=-1) if draws > 1 else None,
    )


def _usable(seen: Seen, shots: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Rows of the classes that have `shots` images to fit and one more to test, their classes from 0, and how many."""
    held = np.zeros(len(seen.labels), bool) if seen.held is None else seen.held
    free = Counter(label for label, out in zip(seen.labels, held.tolist(), strict=True) if not out)
    tests = free if seen.held is None else Counter(x for x, out in zip(seen.labels, held.tolist(), strict=True) if out)
    more = 1 if seen.held is None else 0
    classes = sorted(label for label in free if free[label] >= shots + more and tests[label])
    known = {label: at for at, label in enumerate(classes)}
    keep = np.array([row for row, label in enumerate(seen.labels) if label in known], np.int64)
    return keep, np.array([known[seen.labels[row]] for row in keep], np.int64), len(classes)


def _of_draws(scores: list[float], tested: int) -> Estimate:
    """Student's interval over the draws; of a single one, Wilson's over the images."""
    if len(scores) > 1:
        return estimate(scores)
    return Estimate(scores[0], *wilson(round(scores[0] * tested), tested))


def estimate(scores: list[float], least: float = 0) -> Estimate:
    """Mean and its 95 % interval by Student's t, held within `least` and 1."""
    n, mean = len(scores), float(np.mean(scores))
    half = float(stdtrit(n - 1, 0.975) * np.std(scores, ddof=1)) / n**0.5
    return Estimate(mean, max(least, mean - half), min(1.0, mean + half))
