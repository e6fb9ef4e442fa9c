"""`curate audit`: a corpus, then further benchmarks from what is stored of it, and a train split against its test."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from curate import runfile
from curate.audit import Asked, _out_of, audit
from curate.contracts import contract
from curate.errors import ConfigError, CurateError, StaleError
from curate.explain import explain
from curate.report import write_report
from curate.runner import audit_stored
from curate.store import Store
from curate.verify import verify_run
from tests.runs import contents, corpus, encoded, made, picture, quiet, settings, tar

LIKE = '[corpus]\npath = "none"\n[signatures]\nembedding = "none"\n[recall]\ncopies = 1\nseed = 3\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small corpus, a benchmark of one more of its pictures, and settings that search by hashes alone."""
    corpus(tmp_path)
    path = tmp_path / "more" / "11" / "x.png"
    path.parent.mkdir(parents=True)
    picture(11).save(path)
    (tmp_path / "like.toml").write_text(f'out = "{tmp_path}/none"\n{LIKE}')
    return tmp_path


def look(folder: Path, out: str, **asked: Any) -> tuple[Store, str]:
    """Audit the corpus: the run, and what was printed."""
    given = {"benchmarks": [f"drawn={folder}/benchmark"], "like": f"{folder}/like.toml", **asked}
    return printed(Asked(f"{folder}/corpus/*.tar", out=f"{folder}/{out}", **given))


def printed(asked: Asked) -> tuple[Store, str]:
    console = Console(width=250, record=True, file=io.StringIO())
    audit(console, asked)
    return Store(asked.out or asked.target), console.export_text()


def more(folder: Path, out: str, **asked: Any) -> tuple[Store, str]:
    """Add the second benchmark to an audit that is there."""
    return printed(Asked(f"{folder}/{out}", [f"more={folder}/more"], **asked))


def test_an_audit_makes_what_it_needs_and_nothing_else(folder: Path) -> None:
    store, said = look(folder, "mine")
    assert set(contents(store)) == {"signatures", "views", "contamination", "recall", "decisions"}
    fates = {row["key"]: row["rule"] for row in store.dataset("decisions").read_all().to_pylist()}
    assert {key: rule for key, rule in fates.items() if rule != "none"} == {
        "a6": "contamination",
        "b3": "contamination",
        "b5": "status",
    }
    run = runfile.from_json(store.read_json("run.json") or {}, "run.json")
    assert (run.audit, run.recall.seed) == (True, 3)
    assert verify_run(run, store, lambda line: None) == []
    assert "is dropped: it shows drawn:class0/0" in str(next(explain(run, store, "a6")))
    assert f"report: {folder}/mine/report/index.html" in said
    page = (folder / "mine" / "report" / "index.html").read_text()
    assert "Duplicates inside the corpus" not in page
    assert "repeat a kept sample" not in page
    assert "done before" not in said
    assert "done before" in look(folder, "mine")[1]


def test_a_new_benchmark_needs_no_corpus_and_gives_what_a_fresh_audit_gives(folder: Path) -> None:
    look(folder, "mine")
    both = [f"drawn={folder}/benchmark", f"more={folder}/more"]
    fresh = contents(look(folder, "fresh", benchmarks=both)[0])
    signed = Store(f"{folder}/mine").read_json("signatures", "manifest.json")
    shutil.rmtree(folder / "corpus")
    store, said = more(folder, "mine")
    assert contents(store) == fresh
    assert fresh["contamination"] != contract("contamination").empty()
    assert store.read_json("signatures", "manifest.json") == signed
    assert [row["key"] for row in store.dataset("contamination").read_all().to_pylist()] == ["a6", "b1", "b3"]
    assert "more" in said
    assert "done before" in more(folder, "mine")[1]


def test_ray_gives_the_same_audit(folder: Path, ray_session: None) -> None:
    del ray_session
    here = contents(look(folder, "here")[0])
    assert contents(look(folder, "ray", on="ray")[0]) == here
    more(folder, "here")
    shutil.rmtree(folder / "corpus")
    store, said = more(folder, "ray", on="ray")
    assert contents(store) == contents(Store(f"{folder}/here"))
    assert "done before" not in said
    tables = [(folder / name / "report" / "audit.csv").read_bytes() for name in ("here", "ray")]
    assert tables[0] == tables[1]


def test_a_benchmark_changes_nothing_of_the_others(folder: Path) -> None:
    store, _ = look(folder, "mine")
    names = ("contamination", "recall", "views")
    before = {name: store.dataset(name).read_all().to_pylist() for name in names}
    made_of = store.dataset("recall").footers()
    more(folder, "mine")
    for name, rows in before.items():
        after = store.dataset(name).read_all().to_pylist()
        assert [row for row in after if row["benchmark"] == "drawn"] == rows
        assert len(after) > len(rows)
    assert {part: f for part, f in store.dataset("recall").footers().items() if part in made_of} == made_of


def test_a_begun_audit_is_finished(folder: Path) -> None:
    whole = contents(look(folder, "whole")[0])
    store, _ = look(folder, "mine")
    for name in ("signatures", "contamination"):
        store.dataset(name).delete("00001")
        store.delete(name, "manifest.json")
    assert contents(printed(Asked(f"{folder}/mine", []))[0]) == whole


def test_signatures_are_never_replaced(folder: Path) -> None:
    look(folder, "mine")
    tar(folder / "corpus" / "00001.tar", {"b0": encoded(picture(50))})
    with pytest.raises(StaleError, match=r"signatures/00001.parquet was made as"):
        look(folder, "mine")
    run = runfile.from_json(Store(f"{folder}/mine").read_json("run.json") or {}, "run.json")
    other = run.model_copy(update={"signatures": run.signatures.model_copy(update={"min_contrast": 9.0})})
    with pytest.raises(StaleError, match="only what is signed alike can be compared"):
        audit_stored(other, _serial(), quiet)
    store, _ = look(folder, "mine", replace=True)
    assert len(store.dataset("signatures").read("00001")) == 1


def _serial() -> Any:
    from curate.executors import Serial

    return Serial()


def test_a_run_with_clean_shards_takes_a_benchmark_and_says_that_they_are_of_before(folder: Path) -> None:
    made(folder, folder / "run")
    shutil.rmtree(folder / "corpus")
    store, said = more(folder, "run")
    assert "curate run RUN.toml --replace" in said
    assert {"duplicates", "decisions"} <= set(contents(store))
    assert not {"clean", "proof"} & set(contents(store))
    corpus(folder)
    wanted = settings(folder, folder / "fresh", benchmarks={n: {"path": f"{folder}/{p}"} for n, p in _BOTH.items()})
    fresh = contents(made(folder, folder / "fresh", benchmarks=wanted.model_dump(mode="json")["benchmarks"]))
    assert {name: digest for name, digest in fresh.items() if name in contents(store)} == contents(store)


_BOTH = {"drawn": "benchmark", "more": "more"}


def test_a_train_split_leaks_and_byte_equal_images_show(folder: Path) -> None:
    for at, name in enumerate(("train", "test")):
        for number in range(3):
            path = folder / name / f"class{number}" / f"{number + 2 * at}.png"
            path.parent.mkdir(parents=True)
            picture(200 + number + 2 * at).save(path)
    store, said = printed(
        Asked(f"{folder}/train", [f"test={folder}/test"], f"{folder}/leak", within=True, like=f"{folder}/like.toml")
    )
    (match,) = store.dataset("contamination").read_all().to_pylist()
    assert (match["key"], match["benchmark_key"], match["kind"]) == ("class2/2", "class0/2", "byte_equal")
    assert "leaked" in said
    assert "Leaks of the benchmark into the corpus" in (folder / "leak" / "report" / "index.html").read_text()
    told = store.read_json("report", "audit.json") or {}
    (row,) = told["benchmarks"]
    assert (row["role"], row["found"], row["byte_equal"], row["image_only"]) == ("leak", 1, 1, 1)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"benchmarks": []}, "is no run, so it is a corpus: which --benchmark"),
        ({"benchmarks": ["cifar11"]}, "no benchmark `cifar11` is known"),
        ({"benchmarks": ["a=x", "a=y"]}, "--benchmark a is given twice"),
        ({"benchmarks": ["a b=x"]}, "--benchmark wants NAME=PATH"),
    ],
)
def test_what_cannot_be_is_refused(folder: Path, asked: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        look(folder, "mine", **asked)


def test_runs_keep_their_own_settings(folder: Path) -> None:
    made(folder, folder / "run")
    with pytest.raises(ConfigError, match="holds a run that is no audit"):
        look(folder, "run")
    with pytest.raises(ConfigError, match="it takes no --like"):
        more(folder, "run", like="other.toml")
    with pytest.raises(CurateError, match="nothing there"):
        printed(Asked(f"{folder}/nowhere", [f"drawn={folder}/benchmark"], f"{folder}/x"))


def test_an_audit_is_named_after_its_corpus() -> None:
    assert _out_of("s3://corpus/{00000..12345}.tar") == "audits/corpus"
    assert _out_of("data/train/") == "audits/train"
    assert _out_of("data/one.tar") == "audits/one"


def test_reporting_again_changes_nothing(folder: Path) -> None:
    store, _ = look(folder, "mine")
    files = sorted(path for path in (folder / "mine" / "report").iterdir() if path.is_file())
    before = {path: path.read_bytes() for path in files}
    write_report(runfile.from_json(store.read_json("run.json") or {}, ""), store)
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in before} >= {"audit.csv", "audit.parquet", "audit.json", "audit.tex"}
