"""Zero-shot: each picture goes to the class whose name, as a caption, is nearest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from curate.ops.intervals import wilson
from curate.pretrain.checkpoint import Checkpoint
from curate.pretrain.model import features
from curate.pretrain.objectives import Objective
from curate.pretrain.result import Estimate, Probe

_PROMPT = "a photo of a {}"
_BATCH = 256
Pixels = NDArray[np.uint8]


def probe(name: str, opened: Checkpoint, pictures: Iterator[tuple[str, Pixels]]) -> Probe:
    """Accuracy of a net that was trained on captions, on all pictures, with Wilson's interval."""
    given = list(pictures)
    labels = [label for label, _ in given]
    classes = sorted(set(labels))
    said = classify(opened.net, opened.goal, classes, np.stack([pixels for _, pixels in given]))
    right = sum(classes[at] == label for at, label in zip(said.tolist(), labels, strict=True))
    found = Estimate(right / len(labels), *wilson(right, len(labels)))
    return Probe(name, "zero-shot", len(classes), len(labels), 1, 1 / len(classes), {"trained": found}, None)


def classify(net: nn.Module, goal: Objective, classes: list[str], pixels: Pixels) -> NDArray[np.int64]:
    """The nearest class of each picture: (N, S, S, 3) uint8 -> (N,) int64."""
    net.eval()
    device = net.vit.pos_embed.device
    with torch.inference_mode():
        names = net.say(goal.tokens([_PROMPT.format(name) for name in classes]).to(device))
        parts = iter(torch.from_numpy(pixels).split(_BATCH))
        said: list[Tensor] = []
        for part in islice(parts, None):
            seen = functional.normalize(net.of_picture(features(net.vit, part.to(device))).float(), dim=-1)
            said.append((seen @ names.T).argmax(dim=1).cpu())
    return np.asarray(torch.cat(said))
