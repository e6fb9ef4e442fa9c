"""Probes of frozen features: few-shot ridge as big_vision does it, nearest neighbours, and a linear classifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

X = NDArray[np.float64]
Y = NDArray[np.int64]

L2 = 2.0**10
_BIAS = 100.0
"""A constant feature as large as this is hardly held back by the ridge: the bias."""
_NEIGHBOURS = 20
_TEMPERATURE = 0.07
"""A neighbour's vote is exp(cosine / temperature), as in the k-NN of instance discrimination and DINO."""
_FITTED = 0.8
"""Share of each class that nearest neighbours and the linear classifier learn from, where no split is given."""
_DECAY = 1e-2


class Split(NamedTuple):
    """Rows that are fitted, and rows that are tested."""

    fitted: NDArray[np.int64]
    tested: NDArray[np.int64]


def split(y: Y, shots: int | None, seed: int, held: NDArray[np.bool_] | None = None) -> Split:
    """Draw `shots` rows of each class (None: most of them) to fit; tested are all others, or those `held` out."""
    rng = np.random.default_rng(seed)
    free = np.ones(len(y), bool) if held is None else ~held
    fitted = []
    for c in range(y.max() + 1):
        rows = rng.permutation(np.flatnonzero((y == c) & free))
        of_class = len(rows) if held is not None else round(_FITTED * len(rows))
        fitted.append(rows[: shots if shots is not None else min(max(1, of_class), len(rows))])
    rows = np.concatenate(fitted)
    return Split(rows, np.setdiff1d(np.arange(len(y)), rows) if held is None else np.flatnonzero(held))


def few_shot(x: X, y: Y, rows: Split) -> float:
    """Accuracy of ridge regression on +-1 targets: x (N, D) features, y (N,) classes from 0."""
    seen = np.pad(_whitened(x, rows), ((0, 0), (0, 1)), constant_values=_BIAS)
    weights = ridge(seen[rows.fitted], np.eye(y.max() + 1)[y[rows.fitted]] * 2 - 1, L2)
    return float(((seen[rows.tested] @ weights).argmax(axis=1) == y[rows.tested]).mean())


def ridge(x: X, y: X, l2: float) -> X:
    """Weights W (D, C) that minimise |xW - y|^2 + l2 |W|^2 for x (N, D) and y (N, C).

    By the smaller of the two systems: (x'x + l2 I) W = x'y, or W = x'(xx' + l2 I)^-1 y.
    """
    rows, columns = x.shape
    if rows < columns:
        return np.asarray(x.T @ np.linalg.solve(x @ x.T + l2 * np.eye(rows), y))
    return np.asarray(np.linalg.solve(x.T @ x + l2 * np.eye(columns), x.T @ y))


def nearest(x: X, y: Y, rows: Split) -> float:
    """Accuracy of the weighted vote of the 20 rows of greatest cosine."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    cosines = unit[rows.tested] @ unit[rows.fitted].T
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :_NEIGHBOURS]
    votes = np.exp((np.take_along_axis(cosines, near, axis=1) - 1) / _TEMPERATURE)
    tally = np.einsum("nk,nkc->nc", votes, np.eye(y.max() + 1)[y[rows.fitted]][near])
    return float((tally.argmax(axis=1) == y[rows.tested]).mean())


def linear(x: X, y: Y, rows: Split) -> float:
    """Accuracy of multinomial logistic regression with weight decay 0.01 on whitened features, by L-BFGS."""
    seen = torch.from_numpy(_whitened(x, rows))
    targets = torch.from_numpy(y[rows.fitted])
    head = torch.zeros(seen.shape[1] + 1, int(y.max()) + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([head], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = seen[rows.fitted] @ head[:-1] + head[-1]
        value: torch.Tensor = functional.cross_entropy(scores, targets) + _DECAY / 2 * head[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    said = (seen[rows.tested] @ head[:-1].detach() + head[-1].detach()).argmax(dim=1).numpy()
    return float((said == y[rows.tested]).mean())


def _whitened(x: X, rows: Split) -> X:
    """Every feature with mean 0 and deviation 1 on the fitted rows."""
    return np.asarray((x - x[rows.fitted].mean(axis=0)) / (x[rows.fitted].std(axis=0) + 1e-5))
