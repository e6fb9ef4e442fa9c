"""Training data: every sample once an epoch, in an order that the seed decides."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from PIL import Image

from curate.errors import CurateError
from curate.pretrain.data import CleanShards, Example, cut, shuffled, square
from curate.pretrain.settings import PretrainSettings
from curate.store import Store
from tests.runs import corpus, encoded, made, picture

SMALL = PretrainSettings(image_size=16, patch=8, width=16, depth=1, heads=2, shuffle=4)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Nine clean samples in three shards: a0 to a5, b0 to b2."""
    folder = corpus(tmp_path_factory.mktemp("data"))
    return made(folder, folder / "run")


def keys(store: Store, count: int, **changes: int) -> list[str]:
    data = CleanShards(store, SMALL.model_copy(update=changes), 10**8)
    return [key for batch in islice(data.batches(3), count) for key in batch.keys]


def test_an_epoch_has_every_sample_once_and_the_next_another_order(store: Store) -> None:
    seen = keys(store, 6)
    assert sorted(seen[:9]) == sorted(seen[9:]) == "a0 a1 a2 a3 a4 a5 b0 b1 b2".split()
    assert seen[:9] != seen[9:]


def test_the_seed_decides_the_order(store: Store) -> None:
    assert keys(store, 3) == keys(store, 3)
    assert keys(store, 3) != keys(store, 3, seed=1)


def test_pictures_and_captions_belong_together(store: Store) -> None:
    data = CleanShards(store, SMALL, 10**8)
    batch = next(data.batches(9))
    assert [f"picture {key}" for key in batch.keys] == batch.captions
    assert batch.pixels.shape == (9, 16, 16, 3)
    assert (data.captioned(), data.used, dict(data.skipped)) == (9, 9, {})


def test_a_batch_larger_than_all_samples_is_refused(store: Store) -> None:
    with pytest.raises(CurateError, match="fewer than 10 samples"):
        next(CleanShards(store, SMALL, 10**8).batches(10))


@pytest.mark.parametrize("size", [1, 7, 50])
def test_shuffled_loses_and_doubles_nothing(size: int) -> None:
    given = [Example(str(i), np.zeros((1, 1, 3), np.uint8), "") for i in range(20)]
    out = [example.key for example in shuffled(given, size, np.random.default_rng(0))]
    assert sorted(out) == sorted(example.key for example in given)
    assert (out == [example.key for example in given]) == (size == 1)


def test_square_is_the_middle_and_never_raises() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    seen = square(encoded(Image.fromarray(pixels), "PNG"), 10, 10**6)
    assert seen is not None
    assert (seen.shape, int(seen.min())) == ((10, 10, 3), 255)
    assert square(b"<html>", 10, 10**6) is None
    assert square(encoded(picture(0))[:500], 10, 10**6) is None
    assert square(encoded(picture(0)), 10, max_pixels=100) is None


def test_cut_stays_inside() -> None:
    pixels = np.arange(20, dtype=np.uint8)[:, None, None] + np.zeros((20, 20, 3), np.uint8)
    for seed in range(20):
        seen = cut(pixels, 16, np.random.default_rng(seed))
        assert seen.shape == (16, 16, 3)
        assert seen.max() <= 19
