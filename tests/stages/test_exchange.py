"""The exchange: more samples than fit in memory are decided exactly as if all did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.contracts import contract
from curate.executors import Ray, Serial
from curate.ops.digest import rows_digest
from curate.ops.partition import Cells, Whole, whole
from curate.runner import run
from curate.stages import bundles, keys, links, plan
from curate.stages.duplicates import COLUMNS, DuplicatesSettings, find
from curate.steps.gathering import packed
from curate.store import Store
from tests import runs
from tests.pictures import draw, rows, turned
from tests.runs import corpus, encoded, picture, quiet, tar

LIMITS = DuplicatesSettings(radius=13, min_cosine=0.8, probes=2, most_candidates=2)
THUMBNAILS = [draw(seed, 32, 32)[..., 0].tobytes() for seed in range(3)]


def crowd(seed: int, count: int) -> pa.Table:
    """Samples of a few families: equal bytes, near hashes, near descriptors, some of it missing."""
    rng = np.random.default_rng(seed)
    hashes, means = rng.integers(0, 256, (4, 32), np.uint8), rng.standard_normal((4, 8))
    made = []
    for number in range(count):
        family, flipped = int(rng.integers(4)), np.zeros(256, np.uint8)
        flipped[rng.permutation(256)[: int(rng.integers(0, 12))]] = 1
        facts: dict[str, Any] = {"shard": "s", "key": f"{number:03}", "width": int(rng.integers(1, 4)), "height": 10}
        if rng.random() < 0.8:
            bits = hashes[family if rng.random() < 0.7 else int(rng.integers(4))] ^ np.packbits(flipped)
            seen = turned(bits[None])[rng.integers(8), 0]
            facts |= {"hash256_whole": bytes(seen), "thumbnail": THUMBNAILS[int(rng.integers(3))]}
        if rng.random() < 0.8:
            facts["embedding"] = (means[family] + rng.normal(0, 0.4, 8)).astype(np.float16).tolist()
        made.append({**facts, "sha256": rng.bytes(32)})
        if made[:-1] and rng.random() < 0.2:
            made[-1] = {**made[int(rng.integers(len(made) - 1))], "key": facts["key"]}
    return rows("signatures", *made).select(COLUMNS)


def exchanged(
    limits: DuplicatesSettings, parts: list[pa.Table], centre: Whole, probes: int, spans: int
) -> tuple[pa.Table, int]:
    """Decide parts by keys, links, plan and tasks; and in how many tasks."""
    cells = Cells(centre, probes)
    told = [
        contract("keys").check(keys.find(limits, part, np.arange(len(part)), keys.Place(i, spans), cells), "keys")
        for i, part in enumerate(parts)
    ]
    all_keys = pa.concat_tables(told)
    cut = [all_keys.filter(pc.equal(all_keys["span"], span)) for span in range(spans)]
    linked = [contract("links").check(links.find(limits, span), "links") for span in cut]
    planned = contract("plan").check(plan.find(limits.in_memory, linked), "plan")
    numbered = [bundles.Numbered(i, part) for i, part in enumerate(parts)]
    bundled = contract("bundles").check(bundles.find(planned, numbered), "bundles")
    made = [contract("duplicates").empty()]
    for task in pc.unique(bundled["task"]).to_pylist():
        mine = bundled.filter(pc.equal(bundled["task"], task)).select(limits.columns)
        made.append(find(limits, mine, centre=centre))
    return pa.concat_tables(made).sort_by([("shard", "ascending"), ("key", "ascending")]), len(made) - 1


CENTRE = whole(np.random.default_rng(5).standard_normal((3, 8)))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(1, 4), st.integers(1, 6), st.booleans())
def test_the_exchange_decides_as_one_task_does(seed: int, count: int, parts: int, spans: int, semantic: bool) -> None:
    limits = LIMITS.model_copy(update={"in_memory": 3, "semantic": 0.9 if semantic else None})
    told = crowd(seed, count)
    want = find(limits, told, centre=CENTRE)
    cut = [told.slice(i * count // parts, (i + 1) * count // parts - i * count // parts) for i in range(parts)]
    made, _ = exchanged(limits, cut, CENTRE, limits.probes, spans)
    assert made.equals(want)


def test_groups_that_do_not_touch_come_in_tasks_of_their_own() -> None:
    far = [{"shard": "s", "key": f"{i}", "sha256": bytes([i // 2]) * 32} for i in range(8)]
    told = rows("signatures", *far).select(COLUMNS)
    for in_memory, tasks in ((2, 4), (4, 2), (5, 2), (8, 1)):
        limits = LIMITS.model_copy(update={"in_memory": in_memory})
        made, count = exchanged(limits, [told], CENTRE, 1, 2)
        assert (made["keeper_key"].to_pylist(), count) == (["0", "2", "4", "6"], tasks)


def test_neighbours_are_packed_together_up_to_a_size() -> None:
    assert packed([3, 4, 3, 9, 12, 1, 1], 10) == [[0, 1, 2], [3], [4], [5, 6]]
    assert packed([], 10) == []


@pytest.mark.usefixtures("ray_session")
def test_a_run_that_does_not_fit_in_memory_gives_the_same(tmp_path: Path) -> None:
    """On this machine and on Ray; and nothing is made again."""
    folder = corpus(tmp_path)
    at_once = runs.made(folder, tmp_path / "whole")
    want = at_once.dataset("duplicates").read_all()
    assert want.num_rows == 2
    told = runs.settings(folder, tmp_path / "run", duplicates={"in_memory": 2})
    store = run(told, Serial(), quiet)
    serial = runs.contents(store)
    assert len(store.dataset("duplicates").parts()) == 2
    (part,) = store.dataset("bundles").parts()  # of two parts of signatures; in it each task finds its own rows alone
    assert store.dataset("bundles").ranges(part, "task") == [(0, 0), (1, 1)]
    assert rows_digest(_sorted(store.dataset("duplicates").read_all())) == rows_digest(_sorted(want))
    assert serial["decisions"] == runs.contents(at_once)["decisions"]
    stages = ("keys", "links", "plan", "bundles", "duplicates")
    for stage in stages:
        shutil.rmtree(tmp_path / "run" / stage)
    for stage in stages:
        run(told, Ray(None), quiet, stage=stage)
    assert runs.contents(store) == serial
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.parquet")}
    run(told, Serial(), quiet)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.parquet")} == before


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([("shard", "ascending"), ("key", "ascending")])


def pairs(folder: Path) -> Path:
    """Two shards of twelve pictures, each there twice, and a benchmark of another."""
    for shard, quality in (("00000", 90), ("00001", 60)):
        samples = {f"{shard[-1]}{i:02}": encoded(picture(i), quality=quality) for i in range(12)}
        tar(folder / "corpus" / f"{shard}.tar", samples)
    (folder / "benchmark" / "class0").mkdir(parents=True)
    picture(100).save(folder / "benchmark" / "class0" / "0.png")
    return folder


@pytest.mark.timeout(240)
def test_nodes_that_are_lost_in_the_middle_change_nothing(tmp_path: Path) -> None:
    """One while pairs are looked for, one while tasks decide: the same rows as of one process that holds all."""
    folder = pairs(tmp_path)
    want = runs.made(folder, tmp_path / "whole").dataset("duplicates").read_all()
    assert want.num_rows == 12
    told = runs.settings(folder, tmp_path / "run", duplicates={"in_memory": 4})
    for stage in ("signatures", "views", "contamination", "keys"):
        run(told, Serial(), quiet, stage=stage)
    (tmp_path / "run.json").write_text(told.model_dump_json())
    files = [str(tmp_path / name) for name in ("run.json", "left.json")]
    command = [sys.executable, "-m", "tests.stages.lost_node", *files]
    with tempfile.TemporaryDirectory() as short:  # the name of a socket has 107 characters at the most
        where = {**os.environ, "RAY_TMPDIR": short, "RAY_raylet_start_wait_time_s": "120"}
        done = subprocess.run(command, capture_output=True, text=True, env=where, timeout=200)
    assert done.returncode == 0, done.stderr
    assert min(json.loads((tmp_path / "left.json").read_text())) >= 2
    found = Store(told.out).dataset("duplicates").read_all()
    assert rows_digest(_sorted(found)) == rows_digest(_sorted(want))


@pytest.mark.usefixtures("ray_session")
def test_a_share_to_keep_gives_the_same_in_one_task_in_many_and_on_ray(tmp_path: Path) -> None:
    folder = pairs(tmp_path)
    tables = {"signatures": {"embedding": "detector"}, "benchmarks": {}}
    given = {"near": False, "semantic_share": 0.25}
    want = runs.made(folder, tmp_path / "whole", duplicates=given, **tables)
    told = runs.settings(folder, tmp_path / "run", duplicates={**given, "in_memory": 4}, **tables)
    store = run(told, Serial(), quiet)
    assert runs.contents(store)["decisions"] == runs.contents(want)["decisions"]
    serial = _sorted(store.dataset("duplicates").read_all())
    assert 6 <= serial.num_rows <= 18
    assert set(serial["kind"].to_pylist()) == {"semantic"}
    (cosine,) = set(store.dataset("cells").read_all()["semantic"].to_pylist())
    assert set(serial["threshold"].to_pylist()) == {cosine}
    stages = ("cells", "keys", "links", "plan", "bundles", "duplicates")
    for stage in stages:
        shutil.rmtree(tmp_path / "run" / stage)
    for stage in stages:
        run(told, Ray(None), quiet, stage=stage)
    assert rows_digest(_sorted(store.dataset("duplicates").read_all())) == rows_digest(serial)
