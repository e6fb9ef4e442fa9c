"""What is done, what is stale: by what a part was made from, and by nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.errors import CurateError, PartsFailedError, RunLockedError, SourceError, StaleError
from curate.executors import Serial
from curate.progress import Progress
from curate.runner import _locked, chosen, open_run, run
from curate.store import Store
from curate.verify import verify_run
from tests.runs import contents, corpus, encoded, made, picture, quiet, settings, tar


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return corpus(tmp_path)


def test_every_sample_has_its_fate(folder: Path) -> None:
    store = made(folder, folder / "run")
    decisions = {row["key"]: row for row in store.dataset("decisions").read_all().to_pylist()}
    fates = {key: (row["rule"], row["match_key"]) for key, row in decisions.items() if row["decision"] == "drop"}
    assert fates == {
        "a6": ("contamination", "class0/0"),
        "b3": ("contamination", "class1/1"),
        "a7": ("duplicate", "a0"),
        "b4": ("duplicate", "a3"),
        "b5": ("status", None),
    }
    assert len(decisions) == 14
    assert [row["key"] for row in store.dataset("clean").read_all().to_pylist()] == "a0 a1 a2 a3 a4 a5 b0 b1 b2".split()
    assert store.dataset("clean").parts() == ["00000", "00001", "00002"]


def test_a_second_run_makes_nothing(folder: Path) -> None:
    store = made(folder, folder / "run")
    before = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*") if path.name != "run.json"}
    seen: list[Progress] = []
    run(settings(folder, folder / "run"), Serial(), seen.append)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sum(at.rows for at in seen) == 0
    assert contents(store)["decisions"]


def test_a_missing_part_is_made_again_and_nothing_else(folder: Path) -> None:
    store = made(folder, folder / "run")
    before = contents(store)
    store.dataset("signatures").delete("00001")
    seen: list[Progress] = []
    run(settings(folder, folder / "run"), Serial(), seen.append)
    assert contents(store) == before
    assert {at.stage: at.rows for at in seen if at.rows} == {"signatures": 6}


def test_changed_settings_are_refused_by_name_and_replaced_on_request(folder: Path) -> None:
    made(folder, folder / "run")
    with pytest.raises(StaleError, match=re.escape("setting `radius` changed from 56 to 3")):
        made(folder, folder / "run", contamination={"radius": 3})
    changed = settings(folder, folder / "run", contamination={"radius": 3})
    replaced = contents(run(changed, Serial(), quiet, replace=True))
    assert replaced == contents(made(folder, folder / "fresh", contamination={"radius": 3}))


def test_settings_that_change_only_the_speed_make_nothing_stale(folder: Path) -> None:
    before = contents(made(folder, folder / "run"))
    assert contents(made(folder, folder / "run", signatures={"batch_size": 2})) == before


def test_a_changed_shard_is_stale(folder: Path) -> None:
    made(folder, folder / "run")
    tar(folder / "corpus" / "00001.tar", {"b0": encoded(picture(50)), "b1": encoded(picture(51))})
    with pytest.raises(StaleError, match=r"signatures/00001.parquet was made as .* its inputs changed"):
        made(folder, folder / "run")


def test_a_foreign_part_is_refused_by_name(folder: Path) -> None:
    store = made(folder, folder / "run")
    (folder / "corpus" / "00001.tar").unlink()
    with pytest.raises(StaleError, match=r"signatures/00001.parquet belongs to no shard of this run"):
        made(folder, folder / "run")
    pq.write_table(store.dataset("signatures").read("00000"), folder / "run" / "signatures" / "99999.parquet")
    with pytest.raises(CurateError, match=r"signatures/99999.parquet: no part of a run of ours"):
        made(folder, folder / "run")


def test_one_broken_part_stops_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(folder, folder / "whole")
    monkeypatch.setattr("curate.stages.signatures.corpus_regions", _fails_once(3))
    with pytest.raises(
        PartsFailedError, match=r"1 of 2 part\(s\) of `signatures` failed(.|\n)*00000: RuntimeError: boom"
    ):
        made(folder, folder / "run")
    monkeypatch.undo()
    assert Store(str(folder / "run")).dataset("signatures").parts() == ["00001"]
    assert "boom" in (folder / "run" / "signatures" / "failures.txt").read_text()
    assert contents(made(folder, folder / "run")) == contents(Store(str(folder / "whole")))
    assert not (folder / "run" / "signatures" / "failures.txt").exists()


def _fails_once(call: int) -> object:
    from curate.ops.views import corpus_regions

    calls = iter(range(1, 10_000))

    def sometimes(width: int, height: int) -> object:
        if next(calls) == call:
            raise RuntimeError("boom")
        return corpus_regions(width, height)

    return sometimes


def test_a_stage_alone_needs_what_it_needs(folder: Path) -> None:
    wanted = settings(folder, folder / "run")
    with pytest.raises(CurateError, match="`duplicates` needs `signatures`, which is not finished"):
        run(wanted, Serial(), quiet, stage="duplicates")
    with pytest.raises(CurateError, match="no stage `dedup`; it has signatures, views"):
        run(wanted, Serial(), quiet, stage="dedup")
    run(wanted, Serial(), quiet, stage="signatures")
    assert Store(str(folder / "run")).dataset("views").parts() == []


def test_an_unknown_stage_is_told_all_that_there_are_and_urls_is_one_of_them(folder: Path) -> None:
    listed = {"urls": {"url_list": f"{folder}/urls.txt"}, "shards": {"contact": "a@example.org"}, "corpus": None}
    downloads, reads = settings(folder, folder / "run", **listed), settings(folder, folder / "run")
    assert chosen(downloads, "urls") == []
    with pytest.raises(CurateError, match="no stage `dedup`; it has urls, shards, signatures"):
        chosen(downloads, "dedup")
    with pytest.raises(CurateError, match="no stage `urls`; it has signatures"):
        chosen(reads, "urls")


def test_two_runs_in_one_directory_do_not_mix(folder: Path) -> None:
    with _locked(Store(str(folder / "run"))), pytest.raises(RunLockedError, match="another curate process"):
        made(folder, folder / "run")


def test_a_wrong_benchmark_count_is_refused(folder: Path) -> None:
    with pytest.raises(SourceError, match="benchmark `cifar10` has 3 images; the test split of CIFAR-10 has 10,000"):
        made(folder, folder / "run", benchmarks={"cifar10": {"path": f"{folder}/benchmark"}})


def test_without_benchmarks_nothing_is_contaminated(folder: Path) -> None:
    store = made(folder, folder / "run", benchmarks={})
    assert store.dataset("contamination").read_all().num_rows == 0
    assert store.dataset("clean").read_all().num_rows == 11


def test_a_run_is_opened_by_its_directory_or_its_file(folder: Path) -> None:
    made(folder, folder / "run")
    (folder / "run.toml").write_text(f'out = "{folder}/run"\n[corpus]\npath = "{folder}/corpus/*.tar"\n')
    assert open_run(str(folder / "run"))[0] == settings(folder, folder / "run")
    assert open_run(str(folder / "run.toml"))[1].root == str(folder / "run")
    with pytest.raises(CurateError, match="no run here"):
        open_run(str(folder / "nowhere"))


def test_drafts_of_a_killed_run_are_swept(folder: Path) -> None:
    left = folder / "run" / "signatures" / ".00000.parquet.abc.draft"
    os.makedirs(left.parent)
    left.write_bytes(b"half")
    made(folder, folder / "run")
    assert not left.exists()


def test_clean_shards_as_parquet_too(folder: Path) -> None:
    store = made(folder, folder / "run", clean={"samples_per_shard": 4, "parquet": True})
    images = store.dataset("images").read_all()
    assert images["key"].to_pylist() == store.dataset("clean").read_all()["key"].to_pylist()
    assert images["image"][0].as_py() == encoded(picture(0))
    assert images["caption"][0].as_py() == "picture a0"


def test_a_run_on_an_object_store_is_the_same_run(folder: Path, s3: str) -> None:
    """Corpus, benchmark and run all on the store: same content, same clean bytes, nothing made twice, and verified."""
    store = Store(f"{s3}/{folder.name}")
    for path in [*folder.glob("corpus/*"), *folder.glob("benchmark/*/*")]:
        store.fs.put_file(str(path), store.path(str(path.relative_to(folder))))
    there = settings(
        folder,
        store.url("run"),
        corpus={"path": store.url("corpus", "{00000..00001}.tar")},
        benchmarks={"drawn": {"path": store.url("benchmark")}},
    )
    remote = run(there, Serial(), quiet)
    local = made(folder, folder / "run")
    assert contents(remote) == contents(local)
    clean = local.dataset("clean")
    for part in clean.parts():
        assert (
            remote.fs.cat_file(remote.dataset("clean").path(part, "tar")) == Path(clean.path(part, "tar")).read_bytes()
        )
    seen: list[Progress] = []
    run(there, Serial(), seen.append)
    assert sum(at.rows for at in seen) == 0
    assert verify_run(there, remote, lambda line: None) == []
