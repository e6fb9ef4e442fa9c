"""The share that stays: the cosine it leads to is the same whatever the order, and about the share does stay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from curate.config import parse
from curate.errors import ConfigError
from curate.stages import duplicates, share
from curate.stages.duplicates import DuplicatesSettings
from tests.pictures import rows

HALF = DuplicatesSettings(near=False, semantic_share=0.5)


def corpus(count: int) -> pa.Table:
    """Descriptors about some axes, nearer or farther, so that cosines lie everywhere; every tenth is blank."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        near = np.eye(16)[number % 16] + rng.normal(0, rng.uniform(0.05, 0.5), 16)
        made.append(
            {
                **{"shard": "s", "key": f"{number:04}", "width": int(rng.integers(1, 4)), "height": 10},
                **{
                    "sha256": rng.bytes(32),
                    "thumbnail": rng.bytes(1024),
                    "embedding": near.astype(np.float16).tolist(),
                },
                "hash256_whole": None if number % 10 == 9 else rng.bytes(32),
            }
        )
    return rows("signatures", *made).select(duplicates.COLUMNS)


def found(told: pa.Table, limits: DuplicatesSettings = HALF, cut: int = 0) -> float:
    def parts() -> Iterator[pa.Table]:
        yield from (told.slice(0, cut).select(share.COLUMNS), told.slice(cut).select(share.COLUMNS))

    semantic = share.find(limits, parts)
    assert semantic is not None
    return semantic


def test_of_four_samples_the_nearest_better_one_counts() -> None:
    """The cosines to any better one: none, .8, .6 and, of d to a, .96."""
    vectors = {"a": (1, 0, 0), "b": (0.8, 0.6, 0), "c": (0, 0.6, 0.8), "d": (0.96, 0, 0.28)}
    facts = {"shard": "s", "hash256_whole": bytes(32), "thumbnail": bytes(1024)}
    made = [
        {**facts, "key": key, "sha256": key.encode() * 32, "embedding": np.array(vector, np.float16).tolist()}
        for key, vector in vectors.items()
    ]
    told = rows("signatures", *made).select(duplicates.COLUMNS)
    for staying, want in ((0.75, 0.96), (0.5, 0.8), (0.25, 0.36)):
        limits = HALF.model_copy(update={"semantic_share": staying})
        assert found(told, limits) == pytest.approx(want, abs=1e-3)


@pytest.mark.parametrize("staying", [0.3, 0.5, 0.8, 0.95])
def test_about_the_share_stays_and_no_less(staying: float) -> None:
    told = corpus(1000)
    limits = HALF.model_copy(update={"semantic_share": staying})
    clear = 900
    dropped = duplicates.find(limits.from_cosine(found(told, limits)), told).num_rows
    assert staying - 1 / clear <= 1 - dropped / clear <= staying + 0.15


def test_order_and_parts_do_not_count_nor_who_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    told = corpus(300)
    want = found(told)
    shuffled = told.take(pa.array(np.random.default_rng(1).permutation(len(told))))
    assert found(shuffled, cut=77) == found(told, cut=200) == want
    monkeypatch.setattr(share, "_AT_A_TIME", 7)
    assert found(told) == want
    monkeypatch.setattr(share, "_ASKING", 100)
    assert found(shuffled, cut=77) == found(told) == pytest.approx(want, abs=0.1)


def test_without_descriptors_there_is_no_cosine() -> None:
    assert share.find(HALF, lambda: [corpus(20).slice(9, 1).select(share.COLUMNS)]) is None
    assert share.find(HALF, lambda: []) is None


def test_a_share_is_instead_of_a_cosine_and_of_one_corpus() -> None:
    for other, said in (
        ({"semantic": 0.9}, "either `semantic`, a cosine, or `semantic_share`, not both"),
        ({"against": ["runs/january"]}, "beside `against` or captions apart give `semantic`"),
        ({"captions": "separate"}, "beside `against` or captions apart give `semantic`"),
    ):
        with pytest.raises(ConfigError, match=said):
            parse(DuplicatesSettings, {"semantic_share": 0.8, **other}, "run.toml")
    with pytest.raises(ValueError, match="find the cosine first"):
        duplicates.find(HALF, corpus(3))
