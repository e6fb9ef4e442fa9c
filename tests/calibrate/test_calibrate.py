"""`curate calibrate`: what it measures is what a run finds, and a run uses what it chose."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from curate import cli, runfile
from curate.calibrate import material
from curate.calibrate.command import Asked, calibrate
from curate.calibrate.measure import measure
from curate.calibrate.scores import Scorer
from curate.errors import ConfigError, StaleError
from curate.executors import Serial
from curate.runner import run
from curate.sources import SourceSettings
from curate.stages import contamination
from curate.stages.contamination import ContaminationSettings
from curate.stages.signatures import SignaturesSettings, Signer
from tests.pictures import encode, image, png
from tests.runs import corpus as small_corpus
from tests.runs import quiet

HASHES = SignaturesSettings(embedding="none")
MATCHING = ContaminationSettings()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of eight pictures, two of them twins; a corpus of six, one of which shows a benchmark image."""
    root = tmp_path_factory.mktemp("calibrate")
    for name, count in (("benchmark", 7), ("corpus", 5)):
        (root / name).mkdir()
        for i in range(count):
            (root / name / f"{i}.png").write_bytes(png(100 * len(name) + i, 160, 120))
    twin = image(900, 160, 120)
    (root / "benchmark" / "twin.jpg").write_bytes(encode(twin, "JPEG", quality=95))
    (root / "corpus" / "shown.jpg").write_bytes(encode(twin.resize((150, 112)), "JPEG", quality=90))
    return root


def asked(folder: Path, **given: Any) -> Asked:
    """What to calibrate, with hashes only."""
    plain = {"benchmarks": [f"drawn={folder}/benchmark"], "corpus": f"{folder}/corpus", "false_pairs": 1e-6}
    return Asked(**{**plain, "copies": 3, "out": f"{folder}/out", "signing": HASHES, "matching": MATCHING, **given})


def said(asking: Asked) -> str:
    """Calibrate; all it printed."""
    out = io.StringIO()
    calibrate(Console(file=out, width=160), asking)
    return out.getvalue()


def written(folder: Path, name: str = "drawn") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[str, dict[str, Any]]:
    """What one calibration prints and writes."""
    return said(asked(folder)), written(folder / "out")


# -- what is measured --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("similarity", "agreement"), [(0.8, 0.4), (0.95, 0.8), (0.5, 0.2)])
def test_scores_at_thresholds_are_what_contamination_matches(folder: Path, similarity: float, agreement: float) -> None:
    """Or a calibration would choose thresholds of something that no run does."""
    where = SourceSettings(path=f"{folder}/benchmark")
    images, signer = material.look("drawn", where, HASHES), Signer(HASHES)
    copies = material.copies(images, where, signer, 2, 10**8)
    settings = ContaminationSettings(min_similarity=similarity, min_agreement=agreement)
    scorer = Scorer(settings, images.views)
    passed = {
        (p.row, p.image) for p in scorer(copies.signatures) if p.similarity >= similarity or p.agreement >= agreement
    }
    match = contamination.make(settings, images.views)(copies.signatures.select(contamination.CORPUS_COLUMNS))
    numbers = {n["key"]: number for number, n in enumerate(scorer.benchmark.names)}
    matched = zip(match["key"].to_pylist(), match["benchmark_key"].to_pylist(), strict=True)
    assert {(int(row), numbers[key]) for row, key in matched} == passed
    assert len(passed) > 20


def test_what_is_written_and_printed(made: tuple[str, dict[str, Any]]) -> None:
    said, found = made
    counts = found["counts"]
    wanted = {"images": 8, "unreadable": 0, "looked_at": 8, "copies": 72, "samples": 6}
    assert {name: counts[name] for name in wanted} == wanted
    # 72 copies beside 7 others, less the picture each lies on; 6 samples beside 8; less twins, and `shown` beside both
    assert counts["pairs"] == 72 * (7 - 1) + 6 * 8 - counts["set_aside"]
    assert 2 < counts["set_aside"] < 30
    assert found["proven"] is False
    assert found["thresholds"]["min_similarity"] >= MATCHING.min_similarity
    assert found["false"] == 0
    assert found["at_most_per_million"] == pytest.approx(3e6 / found["counts"]["pairs"], rel=0.01)
    assert found["edits"][-1]["edit"] == "all"
    assert found["edits"][-1]["found"] == sum(row["found"] for row in found["edits"][:-1])
    assert {row["edit"]: row["recall"] for row in found["edits"]}["mirror"] == 1
    points = found["curves"]["min_similarity"]
    assert [p["false"] for p in points] == sorted((p["false"] for p in points), reverse=True)
    assert points[0]["recall_of"]["mirror"] == 1
    assert "it takes 3,000,000" in said
    assert "pairs are copies beyond doubt" in said
    assert "← chosen" in said


def test_the_same_calibration_gives_the_same_bytes(folder: Path, made: tuple[str, dict[str, Any]]) -> None:
    said(asked(folder, out=f"{folder}/again"))
    for name in ("drawn.json", "drawn.png"):
        assert (folder / "again" / name).read_bytes() == (folder / "out" / name).read_bytes()
    with Image.open(folder / "out" / "drawn.png") as drawn:
        assert drawn.size[0] > 800


def test_a_rate_that_few_pairs_can_prove_lowers_the_thresholds(folder: Path) -> None:
    said(asked(folder, false_pairs=0.02, out=f"{folder}/loose"))
    found = written(folder / "loose")
    assert found["proven"] is True
    assert found["at_most_per_million"] <= 20_000
    assert found["thresholds"]["min_agreement"] < MATCHING.min_agreement


def test_without_a_corpus_and_without_matplotlib(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    text = said(asked(folder, corpus=None, copies=1, out=f"{folder}/bare"))
    assert "0 samples of the corpus" in text
    assert "for want of matplotlib: pip install 'curate[models]'" in text
    assert not (folder / "bare" / "drawn.png").exists()


def test_what_candidates_cost_is_counted_by_hand(folder: Path) -> None:
    """Eight images with one-hot embeddings; the first copies have their own, at cosine .65 beside another's .75."""
    where = SourceSettings(path=f"{folder}/benchmark")
    images, signer = material.look("drawn", where, HASHES), Signer(HASHES)
    views = _embedded(images.views.filter(pa.compute.equal(images.views["view"], "whole")), np.eye(8))
    copies = material.copies(images, where, signer, 1, 10**8)
    own = next(i for i, key in enumerate(views["key"].to_pylist()) if f"00000:{key}" == copies.copies[0].key)
    vector = 0.65 * np.eye(8)[own] + 0.75 * np.eye(8)[(own + 1) % 8]
    signed = copies._replace(signatures=_embedded(copies.signatures, np.tile(vector, (24, 1))))
    for most, shares in ((5, [1, 1, 1, 1, 0, 0, 0]), (1, [0] * 7)):
        settings = ContaminationSettings(most_candidates=most, shortlist=most)
        found = measure(Scorer(settings, views), settings, signed, None, 1e-6)
        assert [cost.min_cosine for cost in found.costs] == [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
        assert [cost.proposed for cost in found.costs] == [2, 2, 2, 2, 1, 0, 0]
        assert [cost.aligned for cost in found.costs] == [min(most, n) for n in (2, 2, 2, 2, 1, 0, 0)]
        assert [cost.own for cost in found.costs] == shares


def _embedded(table: pa.Table, vectors: Any) -> pa.Table:
    field = table.schema.field("embedding")
    column = pa.array([v.astype(np.float16) for v in vectors], field.type)
    return table.set_column(table.schema.get_field_index("embedding"), field, column)


# -- what a run does with it -------------------------------------------------------------------------------------------


def run_file(folder: Path, text: str = "", embedding: str = "none") -> Path:
    """A run file on the small corpus of tests/runs, one benchmark named `drawn`."""
    path = folder / "run.toml"
    path.write_text(
        f'out = "{folder}/run"\n[corpus]\npath = "{folder}/corpus/*.tar"\n'
        f'[benchmarks.drawn]\npath = "{folder}/benchmark"\n'
        f'[signatures]\nembedding = "{embedding}"\n[recall]\ncopies = 0\n[contamination]\n{text}\n'
    )
    return path


@pytest.fixture
def calibrated(tmp_path: Path, made: tuple[str, dict[str, Any]]) -> Path:
    """The small corpus and benchmark, and a calibration named `drawn` with thresholds of its own."""
    small_corpus(tmp_path)
    (tmp_path / "calibration").mkdir()
    store(tmp_path, {**made[1], "thresholds": {"min_similarity": 0.83, "min_agreement": 0.61}})
    return tmp_path


def store(folder: Path, calibration: dict[str, Any]) -> None:
    (folder / "calibration" / "drawn.json").write_text(json.dumps(calibration))


@pytest.mark.parametrize("where", ["calibration", "calibration/drawn.json"])
def test_a_run_uses_the_thresholds_and_says_so(calibrated: Path, where: str) -> None:
    given = runfile.load(str(run_file(calibrated, f'calibration = "{calibrated}/{where}"')))
    done = run(given, Serial(), quiet)
    used = done.dataset("contamination").read_all(["verified_by", "threshold"]).to_pylist()
    assert used
    wanted = {"thumbnails": np.float32(0.83), "alignment": np.float32(0.61)}
    assert all(row["threshold"] == wanted[row["verified_by"]] for row in used)
    manifest = done.read_json("contamination", "manifest.json")
    assert manifest
    assert manifest["settings"]["thresholds"] == {"drawn": {"min_similarity": 0.83, "min_agreement": 0.61}}


def test_thresholds_of_one_benchmark_leave_the_other_alone(calibrated: Path) -> None:
    other = f'[benchmarks.other]\npath = "{calibrated}/benchmark"'
    path = run_file(calibrated, f'calibration = "{calibrated}/calibration"\n{other}')
    done = run(runfile.load(str(path)), Serial(), quiet)
    used = done.dataset("contamination").read_all(["benchmark", "verified_by", "threshold"]).to_pylist()
    by_thumbnails = {row["benchmark"]: row["threshold"] for row in used if row["verified_by"] == "thumbnails"}
    assert by_thumbnails == {"drawn": np.float32(0.83), "other": np.float32(MATCHING.min_similarity)}


def test_a_changed_calibration_makes_contamination_stale(calibrated: Path, made: Any) -> None:
    path = str(run_file(calibrated, f'calibration = "{calibrated}/calibration"'))
    run(runfile.load(path), Serial(), quiet)
    run(runfile.load(path), Serial(), quiet)
    store(calibrated, {**made[1], "thresholds": {"min_similarity": 0.9, "min_agreement": 0.61}})
    with pytest.raises(StaleError, match=r"setting `thresholds` changed from .*0\.83.* to .*0\.9"):
        run(runfile.load(path), Serial(), quiet)


def test_thresholds_of_the_run_file_go_first(calibrated: Path) -> None:
    own = "[contamination.thresholds.drawn]\nmin_similarity = 0.7\nmin_agreement = 0.3"
    given = runfile.load(str(run_file(calibrated, f'calibration = "{calibrated}/calibration"\n{own}')))
    assert given.contamination.limits("drawn").min_similarity == 0.7
    with pytest.raises(ConfigError, match=r"thresholds.other. is of no benchmark of this run"):
        runfile.load(str(run_file(calibrated, own.replace("drawn", "other"))))


def test_a_calibration_of_other_settings_or_weights_is_refused(calibrated: Path, made: Any) -> None:
    where = f'calibration = "{calibrated}/calibration"'
    with pytest.raises(ConfigError, match="`radius` was 56, is 40 in this run") as caught:
        runfile.load(str(run_file(calibrated, f"{where}\nradius = 40")))
    assert "run `curate calibrate` again" in str(caught.value)
    with pytest.raises(ConfigError, match=r"`embedding` was 'none', is 'torchscript:x\.pt"):
        runfile.load(str(run_file(calibrated, where, "torchscript:x.pt?side=32")))
    store(calibrated, {**made[1], "made_with": {**made[1]["made_with"], "weights": "5" * 64}})
    with pytest.raises(ConfigError, match=r"`weights` was '55555555\.\.\.', is '' in this run"):
        runfile.load(str(run_file(calibrated, where)))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "no calibration of drawn here"),
        ("{", "no calibration of this version"),
        ('{"version": 9}', "no calibration"),
    ],
)
def test_what_is_no_calibration_is_refused(calibrated: Path, content: str | None, fault: str) -> None:
    file = calibrated / "calibration" / "drawn.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(ConfigError, match=fault):
        runfile.load(str(run_file(calibrated, f'calibration = "{calibrated}/calibration"')))


def test_the_command_line_and_a_run_file_whose_calibration_is_stale(folder: Path, tmp_path: Path) -> None:
    """`--like` must read a run file that itself is refused until it is calibrated again."""
    path = run_file(tmp_path, 'calibration = "nowhere"\nradius = 40')
    with pytest.raises(ConfigError, match="no calibration of drawn here"):
        runfile.load(str(path))
    words = ["calibrate", "--benchmark", f"drawn={folder}/benchmark", "--copies", "1", "--like", str(path)]
    done = CliRunner().invoke(cli.app, [*words, "--out", f"{tmp_path}/out"])
    assert done.exit_code == 0, done.output
    assert written(tmp_path / "out")["made_with"]["radius"] == 40
    path.write_text(path.read_text().replace("nowhere", f"{tmp_path}/out"))
    assert set(runfile.load(str(path)).contamination.thresholds) == {"drawn"}
