"""A pretraining on a tiny real run: it learns, it repeats itself, it says what it did and why it cannot."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import ConfigError, CurateError, SourceError
from curate.pretrain import PretrainResult, checkpoint, pretrain
from curate.progress import Progress
from curate.report import write_report
from tests.pretrain.material import TINY, coloured, finished, loose, taught, trained
from tests.runs import encoded, made, quiet, settings, tar


@pytest.fixture(scope="module")
def result(folder: Path) -> PretrainResult:
    return trained(folder)


def test_the_loss_falls(result: PretrainResult) -> None:
    assert len(result.losses) == len(result.rates) == len(result.gradients) == result.steps == 40
    assert result.losses[0] == pytest.approx(np.log(16), abs=1)
    assert np.mean(result.losses[-5:]) < 0.8 * np.mean(result.losses[:5])


def test_samples_without_caption_are_counted(result: PretrainResult) -> None:
    assert (result.samples.used, result.samples.held_out) == (46, 0)
    assert result.samples.skipped == {"want of a caption": 2}


def test_the_probes_tell_colours(result: PretrainResult) -> None:
    assert not result.not_probed
    assert [p.method for p in result.probe[:4]] == ["1 shot", "5 shots", "nearest neighbours", "linear"]
    assert result.probe[4].method == "zero-shot"
    assert result.probe[4].tested == 32
    found = result.probe[1]
    assert (found.benchmark, found.classes, found.tested, found.chance) == ("drawn", 4, 12, 0.25)
    assert list(found.nets) == ["raw pixels", "untrained", "trained"]
    assert found.nets["trained"].low > found.chance


def test_the_same_seed_gives_the_same_curve_and_leaves_torchs_own_alone(folder: Path, result: PretrainResult) -> None:
    before = torch.get_rng_state()
    torch.rand(7)
    assert tuple(taught(folder).curve.losses) == result.losses
    torch.set_rng_state(before)
    assert tuple(taught(folder, seed=1, steps=3).curve.losses[:3]) != result.losses[:3]
    assert torch.equal(torch.get_rng_state(), before)


def test_what_it_leaves_is_whole(folder: Path) -> None:
    result = trained(folder, steps=3, seed=2)
    at = folder / "run" / "pretrain"
    said = json.loads((at / "summary.json").read_text())
    assert said["losses"] == list(result.losses)
    assert said["settings"]["model"] == "mu"
    assert said["clean"] == json.loads((folder / "run" / "clean" / "manifest.json").read_text())["content"]
    assert set(said["pictures"]) == {"loss", "filters", "positions", "distances", "attention", "neighbours"}
    for file in said["pictures"].values():
        with Image.open(at / file) as picture:
            assert np.asarray(picture).std() > 0
    read = checkpoint.read(str(at / "checkpoint.safetensors"))
    assert said["parameters"] == sum(p.numel() for p in read.net.vit.parameters())


def test_the_report_shows_it_and_says_when_it_is_stale(folder: Path) -> None:
    trained(folder, steps=3)
    store = made(folder, folder / "run", **loose())
    page = Path(write_report(settings(folder, folder / "run", **loose()), store)).read_text()
    assert page.count("data:image/png;base64,") >= 6
    assert "2 skipped for want of a caption" in page
    assert "raw pixels" in page
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
    store = finished(folder)
    result = pretrain(settings(folder, folder / "run", **loose(seconds=1e-6)), store, seen.append)
    assert result.steps == 1
    assert [(at.done, at.parts, at.rows, at.ended) for at in seen] == [(1, 40, 16, False), (1, 1, 16, True)]
    assert f"loss {result.losses[0]:.3f}" in seen[0].note


def test_too_few_captions_and_unfinished_runs_are_refused(folder: Path, tmp_path: Path) -> None:
    tar(tmp_path / "corpus" / "00000.tar", {f"s{i}": encoded(coloured("red", i), "PNG") for i in range(31)})
    (tmp_path / "benchmark").symlink_to(folder / "benchmark")
    store = made(tmp_path, tmp_path / "run", **loose())
    run = settings(tmp_path, tmp_path / "run", **loose())
    with pytest.raises(CurateError, match=r"31 sample\(s\) have a caption; training needs 32"):
        pretrain(run, store, quiet)
    with pytest.raises(CurateError, match=r"0 sample\(s\) have a label in `cls`"):
        pretrain(settings(tmp_path, tmp_path / "run", **loose(objective="label")), store, quiet)
    store.delete("clean", "manifest.json")
    with pytest.raises(CurateError, match="clean: not finished"):
        pretrain(run, store, quiet)
    assert not (tmp_path / "run" / "pretrain").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "sigmoid"},
        {"objective": "label", "label_field": "colour", "mixup": 0.2, "randaugment": 5},
        {"objective": "labels", "label_field": "tags", "ema": 0.9, "schedule": "rsqrt"},
        {"precision": "bf16", "pool": "token", "position": "sincos2d", "stem": "conv"},
    ],
    ids=["sigmoid", "label", "labels", "bf16"],
)
def test_every_way_of_training_learns(folder: Path, changes: dict[str, Any]) -> None:
    losses = taught(folder, **changes).curve.losses
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_a_held_out_split_is_judged_and_never_trained_on(folder: Path) -> None:
    result = trained(folder, objective="label", label_field="colour", held_out=0.3)
    assert result.samples.used + result.samples.held_out == 48
    assert result.samples.checked
    doubted = replace(result, samples=replace(result.samples, checked=False)).__rich__()
    assert "held out (near duplicates were not looked for)" in str(list(doubted.columns[1].cells))
    assert 5 < result.samples.held_out < 25
    assert result.held_out_loss is not None
    assert result.held_out_loss < math.log(4)
    probe = next(p for p in result.probe if p.benchmark == "held out" and p.method == "linear")
    assert probe.tested == result.samples.held_out
    assert probe.nets["trained"].mean > 0.8
    assert (probe.seeds, probe.gain) == (1, None)
    assert probe.nets["trained"].low < probe.nets["trained"].mean  # of the images, since nothing is drawn


def test_a_compiled_model_gives_the_same_losses(folder: Path) -> None:
    plain, compiled = (taught(folder, steps=2, compile=backend).curve.losses for backend in ("no", "aot_eager"))
    assert compiled == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"patch": 7}, "7 px do not tile 16 px"),
        ({"mixup": 0.2}, "captions cannot be mixed"),
        ({"workers": 3}, "3 workers do not divide a batch of 16"),
        ({"image_size": 18, "patch": 6, "stem": "conv"}, "needs a patch of 2, 4, 8"),
        ({"compare": {"shares": [0.5]}}, "shares lie between 0 and 0.3"),
    ],
)
def test_settings_that_cannot_be_are_refused(folder: Path, changes: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        settings(folder, folder / "run", pretrain={**TINY, **changes})


def test_probe_reads_a_checkpoint_back(folder: Path, result: PretrainResult) -> None:
    trained(folder)
    at = f"{folder}/run/pretrain/checkpoint.safetensors"
    command = ["probe", at, "--benchmark", f"colours={folder}/benchmark", "--shots", "5", "--image-size", "32"]
    command += ["--finetune-steps", "3"]
    said = CliRunner().invoke(app, command, catch_exceptions=False, env={"COLUMNS": "200"})
    assert said.exit_code == 0
    assert "colours, 5 shots" in said.output
    assert "colours, zero-shot" in said.output
    assert "colours, fine-tuned on 16" in said.output
    with pytest.raises(SourceError, match="no checkpoint of `curate pretrain`"):
        checkpoint.read(f"{folder}/run/clean/manifest.json")
    with pytest.raises(SourceError, match="no such file"):
        checkpoint.read(f"{folder}/nothing.safetensors")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("curate.runfile", "torch timm open_clip matplotlib jinja2 ray"),
        ("curate.pretrain.job", "ray faiss open_clip"),
        ("curate.report.page", "ray torch matplotlib"),
    ],
)
def test_imports_stay_light(module: str, absent: str) -> None:
    code = f"import sys, {module}; sys.exit(' '.join(set({absent.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_the_command_takes_its_settings_from_the_run_file_as_it_is_now(folder: Path) -> None:
    finished(folder)
    file = folder / "run.toml"
    file.write_text(
        f'out = "{folder}/run"\n[corpus]\npath = "{folder}/corpus/*.tar"\n'
        '[pretrain]\nmodel = "mu"\nimage_size = 16\nbatch = 16\nsteps = 2\n'
        'objective = "label"\nlabel_field = "colour"\n'
    )
    said = CliRunner().invoke(app, ["pretrain", str(file)], catch_exceptions=False, env={"COLUMNS": "200"})
    assert said.exit_code == 0
    assert "in 2 steps" in said.output
    assert "48 used" in said.output
