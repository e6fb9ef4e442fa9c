"""The ViT is timm's; its schedule, its objectives and its embeddings are what they say."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional

from curate.pretrain import speed
from curate.pretrain.augment import EDITS, mixed, rand_augment
from curate.pretrain.data import Batch
from curate.pretrain.model import SIZES, attentions, features, resize, vit
from curate.pretrain.objectives import objective
from curate.pretrain.pictures import attention_distances
from curate.pretrain.schedule import learning_rate
from curate.pretrain.settings import Model, PretrainSettings

SMALL = PretrainSettings(model="mu", image_size=16, patch=4)


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("model", "patch", "theirs"),
    [
        ("Ti", 16, "vit_tiny_patch16_224"),
        ("S", 16, "vit_small_patch16_224"),
        ("B", 32, "vit_base_patch32_224"),
        ("L", 16, "vit_large_patch16_224"),
        ("H", 14, "vit_huge_patch14_224"),
    ],
)
def test_parameters_are_as_many_as_timms(model: Model, patch: int, theirs: str) -> None:
    given = PretrainSettings(model=model, patch=patch, image_size=224, pool="token")
    with torch.device("meta"):
        assert count(vit(given)) == count(timm.create_model(theirs, num_classes=0))


def test_mu_is_counted_by_hand() -> None:
    width, mlp, patches = 32, 128, 16
    block = 2 * 2 * width + 4 * (width * width) + 3 * width + width + 2 * width * mlp + mlp + width
    assert count(vit(SMALL)) == block + 3 * 4 * 4 * width + width + patches * width + 2 * width
    assert count(vit(SMALL.model_copy(update={"pool": "token"}))) == count(vit(SMALL)) + 2 * width


@pytest.mark.parametrize("stem", ["patch", "conv"])
@pytest.mark.parametrize("pool", ["avg", "token"])
@pytest.mark.parametrize("position", ["learned", "sincos2d"])
def test_every_kind_sees_pictures(stem: str, pool: str, position: str) -> None:
    net = vit(SMALL.model_copy(update={"stem": stem, "pool": pool, "position": position}))
    pixels = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    assert features(net, pixels).shape == (3, 32)
    assert net.pos_embed.requires_grad == (position == "learned")
    (weights,) = attentions(net.eval(), pixels)
    assert weights.shape == (3, 2, 16 + (pool == "token"), 16 + (pool == "token"))
    assert weights.sum(-1).detach().numpy() == pytest.approx(1, abs=1e-5)


def test_sincos_embeddings_tell_places_by_their_distance() -> None:
    grid = vit(SMALL.model_copy(update={"position": "sincos2d"})).pos_embed.detach()[0]
    cosines = functional.normalize(grid, dim=-1) @ functional.normalize(grid, dim=-1).T
    assert cosines[0, 1] == pytest.approx(cosines[5, 6].item(), abs=1e-5)
    assert cosines[0, 1] > cosines[0, 2] > cosines[0, 10]


@pytest.mark.parametrize("pool", ["avg", "token"])
def test_embeddings_for_the_same_size_are_the_same_and_others_fit(pool: str) -> None:
    net = vit(SMALL.model_copy(update={"pool": pool})).eval()
    before = net.pos_embed.detach().clone()
    assert torch.equal(resize(net, 16).pos_embed, before)
    assert features(resize(net, 24), torch.zeros(1, 24, 24, 3, dtype=torch.uint8)).shape == (1, 32)
    assert net.pos_embed.shape[1] == 36 + (pool == "token")


def test_attention_that_looks_everywhere_has_the_mean_distance() -> None:
    net = vit(SMALL)
    torch.nn.init.zeros_(net.blocks[0].attn.qkv.weight)
    places = [(y, x) for y in range(4) for x in range(4)]
    mean = np.mean([4 * math.dist(a, b) for a in places for b in places])
    found = attention_distances(net, np.zeros((2, 16, 16, 3), np.uint8), SMALL)
    assert found == pytest.approx(np.full((1, 2), mean))


COSINE = [0.5, 1, 1, 0.962, 0.854, 0.691, 0.5, 0.309, 0.146, 0.038]
RSQRT = [0.5, 1, 0.8165, 0.7071, 0.6325, 0.5774, 0.5345, 0.5, 0.4714 * 2 / 3, 0.4472 / 3]


@pytest.mark.parametrize(("schedule", "table"), [("cosine", COSINE), ("rsqrt", RSQRT)])
def test_schedules_are_the_tables(schedule: Literal["cosine", "rsqrt"], table: list[float]) -> None:
    given = PretrainSettings(steps=10, warm_up=0.2, cool_down=0.2, schedule=schedule, learning_rate=1)
    assert [learning_rate(step, given) for step in range(10)] == pytest.approx(table, abs=6e-4)
    assert learning_rate(0, given.model_copy(update={"steps": 1})) == 1


def batch(n: int, **given: Any) -> Batch:
    pixels = np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3)).astype(np.uint8)
    return Batch(0, ["k"] * n, ["s"] * n, pixels, **{"captions": [], "targets": None, **given})


def test_contrastive_losses_are_the_formulas() -> None:
    said = batch(4, captions=["a cat", "a dog", "two dogs", "a red hat"])
    for kind in ("contrastive", "sigmoid"):
        goal = objective(SMALL.model_copy(update={"objective": kind}), 0)
        net = goal.model()
        pictures, captions, scale, bias = net(torch.from_numpy(said.pixels), goal.tokens(said.captions))
        logits = scale * pictures @ captions.T
        if kind == "contrastive":
            wanted = -(logits.log_softmax(0).diag() + logits.log_softmax(1).diag()).mean() / 2
        else:
            wanted = -functional.logsigmoid((2 * torch.eye(4) - 1) * (logits + bias)).sum() / 4
        assert goal(net, said, torch.device("cpu")).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_label_losses_are_the_formulas() -> None:
    targets = np.array([[1, 0, 0], [0, 1, 1]], np.float32)
    for kind, by in (("label", functional.cross_entropy), ("labels", functional.binary_cross_entropy_with_logits)):
        goal = objective(SMALL.model_copy(update={"objective": kind}), 3)
        net, given = goal.model(), batch(2, targets=targets)
        wanted = by(net(torch.from_numpy(given.pixels)), torch.from_numpy(targets))
        assert goal(net, given, torch.device("cpu")).item() == pytest.approx(wanted.item())


def test_mixup_mixes_pictures_and_targets_by_one_share() -> None:
    pixels = torch.tensor([0, 200], dtype=torch.uint8)[:, None, None, None].expand(2, 2, 2, 3)
    targets = torch.eye(2)
    mix, said = mixed(pixels, targets, 0.5, np.random.default_rng(0))
    assert mix[0, 0, 0, 0].item() == pytest.approx(200 * said[0, 1].item(), abs=1)
    assert said.sum(1).tolist() == pytest.approx([1, 1])
    assert mixed(pixels, targets, 0, np.random.default_rng(0)) == (pixels, targets)


def test_every_random_edit_changes_a_picture_and_the_generator_decides() -> None:
    pixels = np.random.default_rng(3).integers(30, 200, (16, 16, 3)).astype(np.uint8)
    x = torch.from_numpy(pixels).permute(2, 0, 1)
    for edit in EDITS.values():
        assert not torch.equal(edit(x, 0.9), x)
        assert edit(x, 0.9).shape == x.shape
    first, second = (rand_augment(pixels, 9, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(rand_augment(pixels, 0, np.random.default_rng(1)), pixels)


def test_operations_are_the_published_ones() -> None:
    base = PretrainSettings(model="B", patch=16, image_size=224, pool="token")
    assert speed.operations(base) / 3 == pytest.approx(2 * 17.6e9, rel=0.01)  # 17.6 G multiply-adds
    assert speed.used(base, 1000, "NVIDIA H200") == pytest.approx(1000 * speed.operations(base) / 989e12)
    assert speed.used(base, 1000, "cpu") is None
    assert set(SIZES) == {"mu", "xs", "Ti", "S", "B", "L", "H"}
