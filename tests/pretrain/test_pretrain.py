"""A pretraining on a tiny real run: it learns, it repeats itself, it says what it did and why it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import load_file

from curate.errors import ConfigError, CurateError
from curate.pretrain import PretrainResult, pretrain
from curate.pretrain.data import Batch
from curate.pretrain.model import TwoTowers
from curate.pretrain.settings import PretrainSettings
from curate.pretrain.train import learning_rate, train
from curate.progress import Progress
from curate.report import write_report
from tests.runs import encoded, made, quiet, settings, tar

TINY: dict[str, Any] = {"image_size": 16, "patch": 8, "width": 32, "depth": 1, "heads": 2, "batch": 16, "steps": 40}
COLOURS = {"red": (200, 40, 40), "green": (40, 190, 40), "blue": (40, 40, 200), "yellow": (210, 200, 40)}


def coloured(name: str, seed: int) -> Image.Image:
    """A noisy picture of one colour, 40 x 40 px."""
    noise = np.random.default_rng(seed).integers(-40, 40, (40, 40, 3))
    return Image.fromarray(np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 clean samples of 4 colours, 2 of them without caption; a benchmark of 8 other pictures of each colour."""
    folder = tmp_path_factory.mktemp("pretrain")
    names = list(COLOURS)
    captions = {i: f"something {names[i % 4]}" for i in range(48)} | {0: "", 1: " \n"}
    samples: dict[str, bytes | tuple[bytes, str]] = {
        f"s{i:02d}": (encoded(coloured(names[i % 4], i), "PNG"), captions[i]) for i in range(48)
    }
    tar(folder / "corpus" / "00000.tar", samples)
    for number, name in enumerate(names * 8):
        path = folder / "benchmark" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coloured(name, 1000 + number).save(path)
    made(folder, folder / "run", **loose())
    return folder


def loose(**changes: Any) -> dict[str, Any]:
    """Tables of the run file: nothing counts as near, since noise of one colour looks alike."""
    return {"duplicates": {"radius": 0}, "contamination": {"radius": 0}, "pretrain": {**TINY, **changes}}


def trained(folder: Path, **changes: Any) -> PretrainResult:
    store = made(folder, folder / "run", **loose(**changes))
    return pretrain(settings(folder, folder / "run", **loose(**changes)), store, quiet)


@pytest.fixture(scope="module")
def result(folder: Path) -> PretrainResult:
    return trained(folder)


def test_the_loss_falls(result: PretrainResult) -> None:
    assert len(result.losses) == result.steps == 40
    assert result.losses[0] == pytest.approx(np.log(16), abs=1)
    assert np.mean(result.losses[-5:]) < 0.8 * np.mean(result.losses[:5])


def test_samples_without_caption_are_counted(result: PretrainResult) -> None:
    assert result.samples.used == 46
    assert result.samples.skipped == {"want of a caption": 2}


def test_the_probe_tells_colours(result: PretrainResult) -> None:
    assert not result.not_probed
    found = result.probe[0]
    assert (found.benchmark, found.classes, found.tested, found.chance) == ("drawn", 4, 12, 0.25)
    assert found.trained.low > found.chance


def test_the_same_seed_gives_the_same_curve_and_leaves_torchs_own_alone(folder: Path, result: PretrainResult) -> None:
    before = torch.get_rng_state()
    torch.rand(7)
    assert trained(folder).losses == result.losses
    torch.set_rng_state(before)
    assert trained(folder, seed=1, steps=3).losses[:3] != result.losses[:3]
    assert torch.equal(torch.get_rng_state(), before)


def test_what_it_leaves_is_whole(folder: Path) -> None:
    result = trained(folder, steps=3)
    at = folder / "run" / "pretrain"
    said = json.loads((at / "summary.json").read_text())
    assert said["losses"] == list(result.losses)
    assert said["settings"]["width"] == 32
    assert said["clean"] == json.loads((folder / "run" / "clean" / "manifest.json").read_text())["content"]
    with Image.open(at / "loss.png") as plot:
        assert plot.size == (840, 360)
    model = TwoTowers(PretrainSettings(**TINY), SimpleTokenizer().vocab_size)
    model.load_state_dict(load_file(at / "checkpoint.safetensors"))
    assert said["parameters"] == sum(p.numel() for p in model.vit.parameters())


def test_the_report_shows_it_and_says_when_it_is_stale(folder: Path) -> None:
    trained(folder, steps=3)
    store = made(folder, folder / "run", **loose())
    page = Path(write_report(settings(folder, folder / "run", **loose()), store)).read_text()
    assert "data:image/png;base64," in page
    assert "2 skipped for want of a caption" in page
    assert "Few-shot probe" in page
    assert "pretrain again" not in page
    summary = store.read_json("pretrain", "summary.json")
    store.write_json({**(summary or {}), "clean": "0" * 64}, "pretrain", "summary.json")
    page = Path(write_report(settings(folder, folder / "run", **loose()), store)).read_text()
    assert "pretrain again" in page


def test_a_run_on_an_object_store_is_trained_on_there(folder: Path) -> None:
    out, tables = f"memory://{folder.name}", loose(steps=2)
    store = made(folder, out, **tables)
    assert pretrain(settings(folder, out, **tables), store, quiet).steps == 2
    assert store.read_json("pretrain", "summary.json")


def test_time_can_end_it(folder: Path) -> None:
    seen: list[Progress] = []
    run = settings(folder, folder / "run", **loose(seconds=1e-6))
    result = pretrain(run, made(folder, folder / "run", **loose()), seen.append)
    assert result.steps == 1
    assert [(at.done, at.parts, at.rows, at.ended) for at in seen] == [(1, 40, 16, False), (1, 1, 16, True)]


def test_too_few_captions_and_unfinished_runs_are_refused(folder: Path, tmp_path: Path) -> None:
    tar(tmp_path / "corpus" / "00000.tar", {f"s{i}": encoded(coloured("red", i), "PNG") for i in range(31)})
    (tmp_path / "benchmark").symlink_to(folder / "benchmark")
    store = made(tmp_path, tmp_path / "run", **loose())
    run = settings(tmp_path, tmp_path / "run", **loose())
    with pytest.raises(CurateError, match=r"31 sample\(s\) have a caption; training needs 32"):
        pretrain(run, store, quiet)
    store.delete("clean", "manifest.json")
    with pytest.raises(CurateError, match="clean: not finished"):
        pretrain(run, store, quiet)
    assert not (tmp_path / "run" / "pretrain").exists()


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_batch() -> None:
    batch = Batch(["k7", "k8"], np.zeros((2, 16, 16, 3), np.uint8), ["a", "b"])
    tokenizer, given = SimpleTokenizer(), PretrainSettings(**TINY)
    model = TwoTowers(given, tokenizer.vocab_size)
    torch.nn.init.constant_(model.scale, float("nan"))
    batches: Iterator[Batch] = repeat(batch)
    with pytest.raises(CurateError, match=r"loss is nan at step 1 of 40.*`k7`.*learning_rate.*0\.001"):
        train(model, tokenizer, batches, given, quiet)


def test_the_schedule_is_the_one_stated() -> None:
    rates = [learning_rate(step, 20, 1.0) for step in (0, 1, 2, 11, 19)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.5 * (1 + np.cos(np.pi * 17 / 18))])
    assert learning_rate(0, 1, 1.0) == 1


@pytest.mark.parametrize(
    ("changes", "why"), [({"patch": 7}, "7 px do not tile 16 px"), ({"heads": 3}, "3 heads do not divide")]
)
def test_sizes_that_cannot_be_are_refused(folder: Path, changes: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        settings(folder, folder / "run", pretrain={**TINY, **changes})


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("curate.runfile", "torch timm open_clip matplotlib jinja2 ray"),
        ("curate.pretrain.job", "ray faiss"),
        ("curate.report.page", "ray torch matplotlib"),
    ],
)
def test_imports_stay_light(module: str, absent: str) -> None:
    code = f"import sys, {module}; sys.exit(' '.join(set({absent.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
