"""The bill: told in advance from measured rates, it is what the run then uses, as far as it is exact."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.bill import count
from curate.bill.case import Case, Load
from curate.bill.command import Asked, made
from curate.bill.laws import EXCHANGE, LAWS
from curate.bill.measure import measured, used
from curate.bill.rates import Rates, as_toml, load
from curate.bill.reckon import Line, Machine, notes, reckon
from curate.config import parse
from curate.errors import CurateError, SourceError
from curate.executors import Serial
from curate.runfile import RunFile
from curate.runner import run
from curate.steps import dataset_names
from tests import runs
from tests.test_cli import ROOT, curate

WEB = str(ROOT / "jobs" / "web-100m.toml")
MACHINE = Machine(8, 64e9, None)


def drawn(folder: Path, first: int, samples: int, shards: int, images: int) -> RunFile:
    """A corpus of drawn pictures, a tenth of them repeated, and a benchmark of others."""
    for shard in range(shards):
        numbers = range(first + shard, first + samples, shards)
        pictures = {f"{i:04}": runs.encoded(runs.picture(i - i % 10 // 9)) for i in numbers}
        runs.tar(folder / "corpus" / f"{shard:05}.tar", pictures)
    runs.tar(folder / "seen" / "0.tar", {f"{i}": runs.encoded(runs.picture(9000 + first + i)) for i in range(images)})
    given = {"benchmarks": {"drawn": {"path": f"{folder}/seen/*.tar"}}, "recall": {"copies": 1}}
    clean = {"samples_per_shard": 50, "parquet": True}
    return runs.settings(folder, folder / "run", **given, clean=clean)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFile, Rates]:
    """A small finished run, and the rates that it tells."""
    folder = tmp_path_factory.mktemp("told")
    settings = drawn(folder, 0, 80, 2, 12)
    store = run(settings, Serial(), runs.quiet)
    return settings, measured(settings, store, load(), "2026-11-21")


def test_a_run_uses_what_it_was_billed_for(told: tuple[RunFile, Rates], tmp_path: Path) -> None:
    settings = drawn(tmp_path, 1000, 240, 3, 30)
    (tmp_path / "rates.toml").write_text(as_toml(told[1]))
    (tmp_path / "run.toml").write_text("")  # the settings are given; the name alone counts
    bill = made(settings, Asked(str(tmp_path / "run.toml"), rates=str(tmp_path / "rates.toml")))
    assert bill.samples == "240 samples (exact: all 3 shards read)"
    assert bill.images == "30 benchmark images (exact: all 1 shards read)"
    store = run(settings, Serial(), runs.quiet)
    lines = {line.stage: line for line in bill.lines}
    assert list(lines) == [name for name in dataset_names(settings) if name not in EXCHANGE]
    for stage, line in lines.items():
        took = used(store, stage)
        assert took is not None
        assert line.writes == pytest.approx(took.bytes, rel=0.3), stage
        assert took.cpu_s is not None
        assert took.whole_s == took.cpu_s + took.opening_s
        assert took.memory is not None
        assert took.memory > 2**20
    rows = {stage: used(store, stage).rows for stage in ("signatures", "decisions")}  # type: ignore[union-attr]
    assert rows == {stage: lines[stage].rows for stage in rows}
    assert lines["clean"].rows == pytest.approx(used(store, "clean").rows, rel=0.05)  # type: ignore[union-attr]


def test_a_stage_made_in_several_goes_tells_no_cpu(told: tuple[RunFile, Rates], tmp_path: Path) -> None:
    settings = drawn(tmp_path, 0, 20, 2, 2)
    store = run(settings, Serial(), runs.quiet)
    whole = used(store, "signatures")
    store.dataset("signatures").delete("00001")
    run(settings, Serial(), runs.quiet)
    again = used(store, "signatures")
    assert whole is not None
    assert again is not None
    assert (whole.cpu_s is None, again.cpu_s, again.rows) == (False, None, whole.rows)
    kept = measured(settings, store, told[1], "2026-11-21")
    assert kept.of("none")["signatures"] == told[1].of("none")["signatures"]
    store.delete("clean", "manifest.json")
    with pytest.raises(CurateError, match="not finished, so it tells no rates"):
        measured(settings, store, load(), "2026-11-21")


def test_rates_are_read_back_as_they_were_written(told: tuple[RunFile, Rates], tmp_path: Path) -> None:
    for rates in (load(), told[1]):
        (tmp_path / "rates.toml").write_text(as_toml(rates))
        assert as_toml(load(str(tmp_path / "rates.toml"))) == as_toml(rates)


# -- how many ---------------------------------------------------------------------------------------------------------


def urls(tmp_path: Path, name: str, **more: Any) -> RunFile:
    given = {"url_list": str(tmp_path / name), "number_sample_per_shard": 100, **more}
    return parse(RunFile, {"out": str(tmp_path / "run"), "urls": given, "shards": {"contact": "a@b.c"}}, "test")


def test_short_lists_are_counted_as_they_are_cut(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"http://a/{i}\n" for i in range(250)))
    assert count.samples(urls(tmp_path, "a.txt"), None) == (250, 3, None, "exact: the lists' rows")


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_long_lists_are_told_by_their_beginning(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"http://a/{i:07}\n" for i in range(20_000)).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    monkeypatch.setattr(count, "_WHOLE", 1000)
    monkeypatch.setattr(count, "_HEAD", 20_000)
    found = count.samples(urls(tmp_path, name), None)
    assert found.number == pytest.approx(20_000, rel=0.1)
    assert found.how == "estimated from the beginnings of 1 of 1 lists and the sizes of all"
    (tmp_path / "b.txt").write_bytes(b"x" * 50_000)
    with pytest.raises(SourceError, match="no line ends"):
        count.samples(urls(tmp_path, "b.txt"), None)


def test_parquet_lists_tell_their_rows(tmp_path: Path) -> None:
    for i, rows in enumerate((30, 170)):
        pq.write_table(pa.table({"url": ["http://a"] * rows}), tmp_path / f"{i}.parquet")
    assert count.samples(urls(tmp_path, "*.parquet"), None) == (200, 2, None, "exact: the lists' footers")


def test_many_shards_are_sampled_and_finished_runs_are_exact(told: tuple[RunFile, Rates], tmp_path: Path) -> None:
    settings = drawn(tmp_path, 0, 60, 6, 1)
    found = count.samples(settings, None)
    assert (found.number, found.shards, found.how) == (60, 6, "3 of 6 shards read, 10 to 10 samples each")
    assert count.samples(told[0], None) == (80, 2, None, "exact: the run's `signatures`")
    assert count.samples(told[0], 5)[::3] == (5, "as asked")


def test_known_benchmarks_are_not_opened() -> None:
    run = parse(RunFile, {"out": "x", "corpus": {"path": "x"}, "benchmarks": {"cifar10": {"path": "no/x"}}}, "test")
    assert count.images(run, None)[::3] == (10_000, "known by name")


# -- the laws ---------------------------------------------------------------------------------------------------------


def lines_of(samples: int, images: int, **tables: Any) -> dict[str, Line]:
    case = case_of(samples, images, **tables)
    return {line.stage: line for line in reckon(case, MACHINE, False)}


def case_of(samples: int, images: int, **tables: Any) -> Case:
    run = parse(RunFile, {"out": "x", "corpus": {"path": "x"}, **tables}, "test")
    shards, parts = samples // count.PER_SHARD + 1, images // count.PER_SHARD + 1
    return Case(run, Load.of(run, load(), (samples, shards), (images, parts), 30_000.0), load())


@given(st.integers(10**6, 5 * 10**9), st.sampled_from(["none", "detector"]))
def test_what_is_linear_is_billed_linearly(samples: int, embedding: str) -> None:
    tables = {"signatures": {"embedding": embedding}}
    one, two = (lines_of(n * samples, 50_000, **tables) for n in (1, 2))
    for stage in ("signatures", "contamination", "clean"):
        assert two[stage].cpu_s == pytest.approx(2 * one[stage].cpu_s, rel=0.01), stage
        assert two[stage].writes == pytest.approx(2 * one[stage].writes, rel=0.01), stage
    assert two["contamination"].memory == one["contamination"].memory


def test_hashes_against_views_are_samples_times_images() -> None:
    few, many = (case_of(10**6, n, signatures={"embedding": "none"}) for n in (10_000, 100_000))
    assert LAWS["contamination"](many).cpu == pytest.approx(10 * LAWS["contamination"](few).cpu)


def test_no_more_is_aligned_than_the_settings_allow() -> None:
    few, many = (lines_of(10**6, 50_000, contamination={"most_candidates": n})["contamination"].cpu_s for n in (20, 40))
    most = load().pairs.alignment_s
    assert many - few == pytest.approx(20 * most * 10**6, rel=0.01)


def test_above_in_memory_there_is_an_exchange_whose_links_grow_as_the_samples() -> None:
    none = {"signatures": {"embedding": "none"}}
    assert not set(EXCHANGE) & set(lines_of(10**6, 10, **none))
    one, two = lines_of(10**9, 10, **none), lines_of(2 * 10**9, 10, **none)
    assert two["links"].cpu_s == pytest.approx(2 * one["links"].cpu_s, rel=0.1)
    both, upright = (case_of(10**9, 10, **none, duplicates={"turned": turned}) for turned in (True, False))
    assert LAWS["links"](both).cpu == pytest.approx(2 * LAWS["links"](upright).cpu)
    assert one["links"].memory == pytest.approx(two["links"].memory, rel=0.01)
    assert one["keys"].writes > 10**9 * 300
    for stage in ("keys", "bundles", "duplicates"):
        assert two[stage].reads == pytest.approx(2 * one[stage].reads, rel=0.02), stage
    assert two["duplicates"].reads < lines_of(10**6, 10, **none)["duplicates"].reads * 2000
    assert lines_of(5 * 10**9, 10, **none)["decisions"].memory < 3e9


def test_what_does_not_fit_is_said() -> None:
    case = case_of(10**9, 2_000_000)
    small = Machine(8, 30e9, 1e12)
    said = list(notes(case, tuple(reckon(case, small, False)), small))
    assert any(s.startswith("Memory will not do: a worker of contamination takes") for s in said)
    assert any(s.startswith("Disk will not do:") for s in said)
    assert any("More than a thousand times what was measured" in s for s in said)
    machine = Machine(8, 1e15, 1e18)
    roomy = list(notes(case, tuple(reckon(case, machine, False)), machine))
    assert not any("will not do" in s or "side by side" in s for s in roomy)


def test_a_gpu_that_was_not_measured_is_said() -> None:
    case = case_of(10**6, 10, signatures={"num_gpus": 1, "embedding": "timm:vit_tiny/weights"})
    lines = tuple(reckon(case, MACHINE, False))
    assert [line.stage for line in lines if line.gpu_s is None] == ["signatures", "views"]
    said = list(notes(case, lines, MACHINE))
    assert "signatures asks for a GPU, and no rate was measured on one; the CPU hours are those without." in said
    assert any("those of the detector stand in its place" in s for s in said)


# -- the command ------------------------------------------------------------------------------------------------------


def test_a_hundred_million_urls_are_billed_without_a_network() -> None:
    code, said = curate("plan", WEB, "--samples", "5000000000", "--cores", "160", "--memory", "800", "--json")
    assert code == 0, said
    bill = json.loads(said)
    assert bill["samples"] == "5,000,000,000 samples (as asked)"
    assert [line["stage"] for line in bill["lines"]][:2] == ["urls", "shards"]
    assert all(line["cpu_s"] > 0 for line in bill["lines"])
    code, said = curate("plan", WEB, "--samples", "100000000", "--cores", "160", "--memory", "800")
    assert (code, "70,000 benchmark images (known by name)" in said) == (0, True)


def test_a_finished_run_is_shown_beside_its_bill_and_tells_rates(told: tuple[RunFile, Rates], tmp_path: Path) -> None:
    code, said = curate("plan", told[0].out)
    assert code == 0, said
    assert "used: rows" in said
    code, said = curate("plan", told[0].out, "--measure", str(tmp_path / "mine.toml"))
    assert code == 0, said
    assert load(str(tmp_path / "mine.toml")).stages["none"]["signatures"].measured_on == 80
    code, said = curate("plan", told[0].out, "--measure", str(tmp_path / "mine.toml"))
    assert (code, "is there already" in said) == (1, True)
    assert curate("plan", str(tmp_path))[0] == 1


def test_pretraining_is_billed_where_the_run_file_speaks_of_it() -> None:
    pytest.importorskip("torch")
    case = case_of(10**6, 10, pretrain={"steps": 1000, "batch": 64})
    line = list(reckon(case, MACHINE, True))[-1]
    assert (line.stage, line.units) == ("pretrain", 64_000)
    assert line.cpu_s > 0
