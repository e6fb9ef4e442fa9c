"""Training data: every sample once an epoch, by whichever worker, in an order that the seed decides."""

from __future__ import annotations

import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curate.errors import CurateError
from curate.pretrain.augment import cut
from curate.pretrain.data import Batches, shuffled, square
from curate.pretrain.index import ALONE, Index, World, labels_of
from curate.pretrain.settings import PretrainSettings
from curate.sources import Sample
from curate.store import Store
from tests.runs import corpus, encoded, made, picture

SMALL = PretrainSettings(model="mu", image_size=16, patch=8, shuffle=4, batch=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Nine clean samples in three shards: a0 to a5, b0 to b2."""
    folder = corpus(tmp_path_factory.mktemp("data"))
    return made(folder, folder / "run")


def opened(store: Store, world: World = ALONE, **changes: Any) -> Batches:
    given = SMALL.model_copy(update=changes)
    return Batches(Index(store, given), given, 10**8, world)


def keys(store: Store, steps: int, start: int = 0, **changes: Any) -> list[str]:
    data = opened(store, **changes).since(start)
    return [key for batch, _ in islice(data, steps) for key in batch.keys]


def test_an_epoch_has_every_sample_once_and_the_next_another_order(store: Store) -> None:
    seen = keys(store, 6)
    assert sorted(seen[:9]) == sorted(seen[9:]) == "a0 a1 a2 a3 a4 a5 b0 b1 b2".split()
    assert seen[:9] != seen[9:]


def test_the_seed_decides_the_order(store: Store) -> None:
    assert keys(store, 3) == keys(store, 3)
    assert keys(store, 3) != keys(store, 3, seed=1)


def test_a_start_in_the_middle_and_more_readers_change_nothing(store: Store) -> None:
    assert keys(store, 7)[12:] == keys(store, 3, start=4) == keys(store, 3, start=4, readers=5)
    (first, _), (again, _) = next(opened(store).since(4)), list(islice(opened(store).since(0), 5))[4]
    assert np.array_equal(first.pixels, again.pixels)


@given(workers=st.integers(1, 4), batch=st.integers(1, 2), epochs=st.integers(1, 3), shuffle=st.integers(1, 12))
def test_workers_share_every_epoch_without_repeats_or_gaps(
    store: Store, workers: int, batch: int, epochs: int, shuffle: int
) -> None:
    size = workers * batch
    steps = 9 * epochs // size
    each = [opened(store, World(rank, workers), batch=size, shuffle=shuffle).rows(steps) for rank in range(workers)]
    assert all(len(rows) == batch for worker in each for rows in worker)
    seen = Counter(row for worker in each for rows in worker for row in rows)
    whole, rest = divmod(steps * size, 9)
    assert sum(seen.values()) == steps * size
    assert set(seen.values()) <= {whole, whole + 1}
    assert sum(count == whole + 1 for count in seen.values()) == rest


def test_pictures_and_captions_belong_together(store: Store) -> None:
    data = opened(store, batch=9)
    batch, seconds = next(data.since(0))
    assert [f"picture {key}" for key in batch.keys] == batch.captions
    assert batch.pixels.shape == (9, 16, 16, 3)
    assert seconds > 0
    assert data.skipped() == {}


def test_a_batch_is_never_larger_than_all_samples(store: Store) -> None:
    assert opened(store, batch=64).size == 9
    assert opened(store, World(0, 2), batch=64).size == 8


def test_held_out_samples_are_the_same_for_every_seed_and_not_trained_on(store: Store) -> None:
    index = Index(store, SMALL.model_copy(update={"held_out": 0.5}))
    other = Index(store, SMALL.model_copy(update={"held_out": 0.5, "seed": 5}))
    assert 0 < len(index.held) < 9
    assert sorted([*index.train, *index.held]) == list(range(9))
    assert index.held.tolist() == other.held.tolist()


def test_a_stall_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(store, stall=0.05)
    read = data._samples

    def slowly(rows: list[int]) -> list[Sample]:
        time.sleep(0.5)
        return read(rows)

    monkeypatch.setattr(data, "_samples", slowly)
    with pytest.raises(CurateError, match=r"step 1 waits for its batch since 0\.05 s; it reads shard\(s\) .*0000"):
        next(data.since(0))


def test_what_cannot_be_read_is_replaced_and_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(store, batch=9)
    read = data._samples
    monkeypatch.setattr(
        data, "_samples", lambda rows: [s._replace(members=()) if s.key == "a3" else s for s in read(rows)]
    )
    batch, _ = next(data.since(0))
    assert len(batch.keys) == 9
    assert "a3" not in batch.keys
    assert [f"picture {key}" for key in batch.keys] == batch.captions
    assert data.skipped() == {"being unreadable": 1}


@pytest.mark.parametrize(
    ("field", "several", "wanted"),
    [
        ("cls", False, ("3,4",)),
        ("cls", True, ("3", "4")),
        ("class", False, ("hat",)),
        ("tags", True, ("hat", "red")),
        ("tags", False, ("hat",)),
        ("none", True, ()),
    ],
)
def test_labels_are_read_where_they_are(field: str, several: bool, wanted: tuple[str, ...]) -> None:
    facts = b'{"class": "hat", "tags": ["hat", "red", "hat"]}'
    assert labels_of(Sample("k", (("json", facts),), label="3,4"), field, several) == wanted
    assert labels_of(Sample("k", (("json", b"[1"),)), field, several) == ()


@pytest.mark.parametrize("size", [1, 7, 50])
def test_shuffled_loses_and_doubles_nothing(size: int) -> None:
    out = list(shuffled(iter(range(20)), size, np.random.default_rng(0)))
    assert sorted(out) == list(range(20))
    assert (out == list(range(20))) == (size == 1)


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


def test_the_clean_shards_are_read_from_an_object_store(s3: str, tmp_path: Path) -> None:
    folder = corpus(tmp_path / "data")
    there = made(folder, f"{s3}/pretrain-data")
    assert sorted(keys(there, 3)) == "a0 a1 a2 a3 a4 a5 b0 b1 b2".split()
