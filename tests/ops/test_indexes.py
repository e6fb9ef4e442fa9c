"""The indexes: every pair that is near enough and no other, whichever engine looks."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import Any

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.ops import flat, search
from curate.ops.search import CosineIndex, HammingIndex

ENGINES = ["faiss", "torch", "torch-half", "faiss-gpu"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All engines; those for GPUs without one: torch rounding as it does there, FAISS asking its own index for K."""
    if request.param == "torch-half":
        monkeypatch.setitem(flat._ENGINES, "torch-half", lambda references: flat.Torch(references, half=True))
    if request.param == "faiss-gpu" and not faiss.get_num_gpus():
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
        monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", lambda index: index)
    return str(request.param)


def hashes(*values: int) -> NDArray[np.uint8]:
    """256-bit hashes by their last bytes."""
    return np.array([list(value.to_bytes(32)) for value in values], np.uint8).reshape(-1, 32)


def listed(pairs: search.Pairs | search.CosinePairs) -> list[tuple[int, int, float]]:
    return list(zip(*(column.tolist() for column in pairs), strict=True))


def brute(queries: NDArray[Any], references: NDArray[Any], least: float) -> dict[tuple[int, int], float]:
    """Cosines in float64 of all pairs that are near enough."""
    q, r = (v.astype(np.float64) / np.linalg.norm(v.astype(np.float64), axis=1)[:, None] for v in (queries, references))
    cosines = q @ r.T
    return {(int(a), int(b)): float(cosines[a, b]) for a, b in zip(*np.nonzero(cosines >= least), strict=True)}


# -- bits -------------------------------------------------------------------------------------------------------------


def test_all_pairs_within_the_radius_and_no_others(engine: str) -> None:
    index = HammingIndex(hashes(0b0, 0b111, 0b1), engine)
    queries = hashes(0b1, 0b1111, 0xFFFF)
    assert listed(index.within(queries, 1)) == [(0, 0, 1), (0, 2, 0), (1, 1, 1)]
    assert listed(index.within(queries, 0)) == [(0, 2, 0)]
    assert listed(index.within(queries, -1)) == []
    assert len(index.within(queries, 256).query) == 9


@given(st.data())
def test_bits_are_found_as_by_counting(data: st.DataObject) -> None:
    width = data.draw(st.sampled_from([1, 2, 8, 32, 64]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    some = np.array(data.draw(st.sampled_from([[0, 1, 255], range(256)])), np.uint8)
    queries, references = (rng.choice(some, (data.draw(st.integers(0, 9)), width)) for _ in range(2))
    radius = data.draw(st.integers(0, 8 * width))
    distances = np.bitwise_count(queries[:, None] ^ references[None]).sum(axis=2)
    want = [(int(q), int(r), int(distances[q, r])) for q, r in zip(*np.nonzero(distances <= radius), strict=True)]
    for name in ("faiss", "torch"):
        assert listed(HammingIndex(references, name).within(queries, radius)) == want


# -- cosines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_all_cosines_from_the_least_up(engine: str, kind: type[np.floating[Any]]) -> None:
    index = CosineIndex(np.array([[1, 0], [0, 1], [-1, 0], [3, 4]], kind), engine)
    queries = np.array([[1, 0], [4, 3]], kind)
    sure = [(0, 0, 1.0), (0, 3, np.float32(0.6)), (1, 0, np.float32(0.8)), (1, 1, np.float32(0.6)),
            (1, 3, np.float32(0.96))]  # fmt: skip
    assert listed(index.within(queries, 0.6)) == sure  # 0.6 is as near as 0.6: `least` itself counts
    assert listed(index.within(queries, 0.61)) == [sure[0], sure[2], sure[4]]
    assert listed(index.within(queries, 1)) == [(0, 0, 1.0)]
    assert len(index.within(queries, -1).query) == 8


def test_a_vector_is_as_near_as_can_be_to_itself(engine: str) -> None:
    vectors = np.random.default_rng(1).standard_normal((50, 7)).astype(np.float32)
    assert listed(CosineIndex(vectors * 3, engine).within(vectors, 1)) == [(i, i, 1.0) for i in range(50)]
    for dims in range(1, 40):  # all values alike, so that all are rounded the same way
        ones = np.ones((1, dims), np.float32)
        assert listed(CosineIndex(ones, engine).within(ones, 1)) == [(0, 0, 1.0)]


@given(st.data())
def test_cosines_are_found_as_by_float64(data: st.DataObject) -> None:
    dims, count = data.draw(st.sampled_from([1, 2, 3, 64, 300])), data.draw(st.integers(1, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    kind = data.draw(st.sampled_from([np.float16, np.float32]))
    references = rng.standard_normal((count, dims)).astype(kind)
    noise = data.draw(st.sampled_from([0, 1e-3, 0.1, 1, 10]))
    queries = (references[: data.draw(st.integers(0, 12))] + noise * rng.standard_normal(dims)).astype(kind)
    least = data.draw(st.floats(-1, 1))
    sure, possible = (brute(queries, references, least + off) for off in (1e-6, -1e-6))
    found = [listed(CosineIndex(references, name).within(queries, least)) for name in ("faiss", "torch")]
    assert found[0] == found[1] == sorted(found[0])
    assert sure.keys() <= {pair[:2] for pair in found[0]} <= possible.keys()
    assert all(abs(possible[q, r] - cosine) <= 1e-6 for q, r, cosine in found[0])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_nearest_groups_are_those_of_all_pairs(data: st.DataObject) -> None:
    """Of few vectors, many of them the same, so that groups tie; more than are looked at first."""
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    few = rng.standard_normal((data.draw(st.integers(1, 8)), 4)).astype(np.float16)
    references = few[rng.integers(0, len(few), data.draw(st.integers(1, 60)))]
    group = rng.integers(0, data.draw(st.integers(1, 12)), len(references))
    queries = np.concatenate([few, rng.standard_normal((3, 4)).astype(np.float16), np.zeros((1, 4), np.float16)])
    most, least = data.draw(st.integers(0, 5)), data.draw(st.sampled_from([-1.0, 0.2, 0.9]))
    for name in ("faiss", "torch"):
        index = CosineIndex(references, name)
        best: dict[int, dict[int, tuple[float, int]]] = {}
        for query, reference, cosine in listed(index.within(queries, least)):
            groups = best.setdefault(query, {})
            of = int(group[reference])
            groups[of] = min(groups.get(of, (2.0, 0)), (-cosine, reference))
        want = [(q, r, -c) for q, groups in sorted(best.items()) for c, r in sorted(groups.values())[:most]]
        assert listed(index.nearest(queries, group, most, least)) == want


def test_as_many_are_looked_at_as_are_needed(engine: str) -> None:
    """A hundred equal members of one group hide the next ones, until more are looked at."""
    references = np.array([[1, 0]] * 100 + [[3, 1], [2, 1], [1, 1]], np.float32)
    group = np.array([0] * 100 + [1, 2, 2])
    found = listed(CosineIndex(references, engine).nearest(references[:1], group, 3, 0.8))
    assert [(query, reference) for query, reference, _ in found] == [(0, 0), (0, 100), (0, 101)]
    assert listed(CosineIndex(references, engine).nearest(references[:1], group, 3, 0.9))[-1][1] == 100


def test_the_limit_is_held_to_the_last_bit(engine: str) -> None:
    """Thousands of cosines, each asked for by its own value: it is found, and by the next float32 it is not."""
    rng = np.random.default_rng(2)
    centre = rng.standard_normal((1, 256)).astype(np.float32)
    references = (centre + 0.4 * rng.standard_normal((2000, 256))).astype(np.float16)
    index = CosineIndex(references, engine)
    cosines = index.within(centre, -1).cosine
    assert len(cosines) == 2000
    for least in np.sort(cosines)[::100]:
        assert len(index.within(centre, float(least)).query) == (cosines >= least).sum()
        assert len(index.within(centre, float(np.nextafter(least, np.float32(2)))).query) == (cosines > least).sum()


def test_a_cosine_does_not_depend_on_its_neighbours(engine: str) -> None:
    rng = np.random.default_rng(3)
    queries, references = (rng.standard_normal((40, 321)).astype(np.float16) for _ in range(2))
    whole = CosineIndex(references, engine).within(queries, -1)
    alone = [
        listed(CosineIndex(references[r : r + 1], engine).within(queries[q : q + 1], -1)) for q, r in ((3, 7), (39, 0))
    ]
    assert [pair[0][2] for pair in alone] == [whole.cosine[3 * 40 + 7], whole.cosine[39 * 40]]


@pytest.mark.parametrize("least", [-1.0, 0.0, 0.9])
def test_what_has_no_direction_is_near_nothing(engine: str, least: float) -> None:
    none = [[np.nan, 1], [np.inf, 0], [-np.inf, np.inf], [0, 0]]
    vectors = np.array([*none, [1, 0], *none], np.float32)
    assert listed(CosineIndex(vectors, engine).within(vectors, least)) == [(4, 4, 1.0)]
    assert listed(CosineIndex(vectors[:4], engine).within(vectors, least)) == []


def test_vectors_of_any_length_are_compared_by_direction(engine: str) -> None:
    vectors = np.array([[1e38, 1e38], [1e-38, 1e-38], [1e-44, 0]], np.float32)
    pairs = CosineIndex(vectors, engine).within(vectors, 0.9)
    assert [pair[:2] for pair in listed(pairs)] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)]


# -- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("references", "queries"), [(0, 1), (1, 0), (0, 0)])
def test_searching_nothing_finds_nothing(engine: str, references: int, queries: int) -> None:
    bits = HammingIndex(np.zeros((references, 32), np.uint8), engine).within(np.zeros((queries, 32), np.uint8), 128)
    cosines = CosineIndex(np.ones((references, 8), np.float16), engine).within(np.ones((queries, 8), np.float16), 0)
    assert [column.dtype for column in bits] == [np.int64, np.int64, np.int32]
    assert [column.dtype for column in cosines] == [np.int64, np.int64, np.float32]
    assert all(len(column) == 0 for column in (*bits, *cosines))


def test_blocks_smaller_than_the_data_change_nothing(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 256, (60, 32), np.uint8)
    vectors = rng.standard_normal((60, 16)).astype(np.float32)
    vectors[7], vectors[31] = 0, np.nan
    whole = HammingIndex(bits, engine).within(bits, 120), CosineIndex(vectors, engine).within(vectors, 0.2)
    assert all(200 < len(pairs.query) < 3000 for pairs in whole)
    monkeypatch.setattr(search, "QUERIES", 7)
    monkeypatch.setattr(search, "VALUES", 33)
    monkeypatch.setattr(flat, "BLOCK", {"cpu": 40, "cuda": 40})
    monkeypatch.setattr(flat, "MOST", 9)
    cut = HammingIndex(bits, engine).within(bits, 120), CosineIndex(vectors, engine).within(vectors, 0.2)
    assert [listed(pairs) for pairs in cut] == [listed(pairs) for pairs in whole]


def test_more_near_than_a_gpu_can_name(engine: str) -> None:
    """Queries with none, few and more than 2,048 references near."""
    references = np.zeros((3000, 8), np.float32)
    references[:2990, 0], references[2990:, 1] = 1, 1
    found = CosineIndex(references, engine).within(np.eye(3, 8, dtype=np.float32), 0.5)
    assert np.bincount(found.query, minlength=3).tolist() == [2990, 10, 0]
    bits = np.packbits(references > 0, axis=1)
    assert len(HammingIndex(bits, engine).within(bits[[0, 2999]], 0).query) == 3000


def test_memory_is_bounded(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the queries take no more memory, where nothing is found. That is numpy's; torch's block is below."""
    rng = np.random.default_rng(5)
    monkeypatch.setattr(search, "QUERIES", 500)
    index = CosineIndex(rng.standard_normal((1000, 64)).astype(np.float32), engine)
    queries = rng.standard_normal((8000, 64)).astype(np.float32)
    peaks = []
    for count in (2000, 8000):
        tracemalloc.start()
        assert len(index.within(queries[:count], 0.99).query) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 5e6


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("queries", [1, 30, 128])
def test_torch_computes_no_more_than_a_block(half: bool, queries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    products, bits = [], []

    class Watched(flat.Torch):
        def _product(self, left: Any, right: Any) -> Any:
            products.append(len(left) * len(right))
            bits.append(right.numel())
            return super()._product(left, right)

    monkeypatch.setattr(flat, "BLOCK", {"cpu": 5120, "cuda": 5120})
    monkeypatch.setattr(search, "QUERIES", 30)
    monkeypatch.setitem(flat._ENGINES, "watched", lambda references: Watched(references, half))
    packed = np.packbits(np.eye(128, 256, dtype=np.uint8), axis=1)
    assert len(HammingIndex(packed, "watched").within(packed[:queries], 0).query) == queries
    assert max(products + bits) <= 5120
    assert sum(products) == queries * 128


@pytest.mark.parametrize("shape", [(3,), (3, 31), (3, 0), (3, 32, 1)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    index = HammingIndex(hashes(1), "faiss")
    with pytest.raises(ValueError, match=r"vectors to search are \(N, 32\) uint8, these are \(3,"):
        index.within(np.zeros(shape, np.uint8), 3)
    cosines = CosineIndex(np.eye(32, dtype=np.float16), "faiss")
    with pytest.raises(ValueError, match=r"\(N, 32\) float16 or float32, these are \(3,"):
        cosines.within(np.zeros(shape, np.float16), 0.5)


def test_other_types_and_unknown_engines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"\(N, D\) float16 or float32, these are \(2, 2\) float64"):
        CosineIndex(np.eye(2))
    with pytest.raises(ValueError, match="no engine 'fais' to search with; choose auto, faiss, faiss-gpu, torch"):
        HammingIndex(hashes(1), "fais")
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    with pytest.raises(ValueError, match="the installed faiss sees no GPU"):
        CosineIndex(np.eye(2, dtype=np.float32), "faiss-gpu")


def test_auto_is_torch_on_a_gpu_else_faiss_else_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    for name in ("faiss", "torch"):
        monkeypatch.setitem(flat._ENGINES, name, lambda _, name=name: built.append(name))
    for gpu, installed in ((True, "faiss"), (False, "faiss"), (False, None)):
        monkeypatch.setattr(flat, "_torch_has_gpu", lambda gpu=gpu: gpu)
        monkeypatch.setattr(flat, "find_spec", lambda _, installed=installed: installed)
        flat.engine("auto", hashes(1))
    assert built == ["torch", "faiss", "torch"]


@pytest.mark.parametrize(("name", "heavy"), [("faiss", "faiss"), ("torch", "torch"), ("auto", None)])
def test_an_engine_imports_only_its_own_library_and_only_when_built(name: str, heavy: str | None) -> None:
    if heavy is None and torch.cuda.is_available():
        pytest.skip("auto is torch here")
    code = f"""
import sys, numpy as np
from curate.ops.search import CosineIndex, HammingIndex
assert not {{"faiss", "torch"}} & sys.modules.keys()
eye = np.eye(8, dtype=np.float32)
assert len(CosineIndex(eye, {name!r}).within(eye, .5).query) == 8
assert len(HammingIndex(eye.view(np.uint8), {name!r}).within(eye.view(np.uint8), 1).query) == 8
assert {{"faiss", "torch"}} & sys.modules.keys() == {{{heavy or "faiss"!r}}}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
