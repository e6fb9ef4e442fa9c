"""Fine-tuning learns what lies apart, from whatever weights, and leaves the net that it was given as it was."""

from __future__ import annotations

import numpy as np
import torch

from curate.pretrain.finetune import Given, tuned
from curate.pretrain.model import vit
from curate.pretrain.settings import PretrainSettings


def test_it_tells_dark_from_light_and_changes_only_a_copy() -> None:
    y = np.arange(80) % 2
    noise = np.random.default_rng(0).integers(0, 60, (80, 16, 16, 3))
    given = Given((noise + 150 * y[:, None, None, None]).astype(np.uint8), y, steps=30)
    torch.manual_seed(0)
    net = vit(PretrainSettings(model="mu", image_size=16, patch=8))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert tuned(net, given, seed=0) > 0.9
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert tuned(net, given._replace(steps=0), seed=0) <= 0.75  # an untrained head says one class
