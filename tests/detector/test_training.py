"""Training: it learns, it goes on exactly where it stopped, and what it leaves can be shipped."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curate.detector import files
from curate.detector.embed import open_detector
from curate.detector_training import facts
from curate.detector_training.augment import lightly, strongly
from curate.detector_training.card import BEGIN, END
from curate.detector_training.command import main
from curate.detector_training.loss import loss
from curate.detector_training.recipe import Recipe, digest
from curate.detector_training.state import State, averaged
from curate.detector_training.tiles import Tiles, tiles
from curate.detector_training.training import train
from curate.errors import SourceError
from tests.detector.conftest import TINY
from tests.pictures import Pixels, draw, image

QUICK = Recipe(steps=6, batch=8, warmup=2, save_every=2, workers=0)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_an_interrupted_training_ends_with_the_same_weights(
    few: Tiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(few, TINY, QUICK, tmp_path / "whole")
    saved = State.save

    def stopped(state: State, out: Path) -> None:
        saved(state, out)
        if state.step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(State, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(few, TINY, QUICK, tmp_path / "cut")
    assert averaged(tmp_path / "cut")[1] == 4
    assert same(train(few, TINY, QUICK, tmp_path / "cut"), whole)
    assert same(train(few, TINY, QUICK, tmp_path / "cut"), whole)  # nothing is left to do
    assert not same(train(few, TINY, replace(QUICK, seed=1), tmp_path / "other"), whole)


def test_a_deeper_detector_begins_as_the_one_it_grows_from(few: Tiles, tmp_path: Path) -> None:
    start = State(TINY, QUICK, "cpu").average
    deeper = replace(TINY, depth=3)
    state = State(deeper, replace(QUICK, seed=9), "cpu")
    state.begin(start)
    seen = torch.from_numpy(few.pixels[:4, :112, :112].copy())[:, None].float()
    with torch.inference_mode():
        assert torch.allclose(state.model(seen), start(seen), atol=1e-6)
        assert torch.allclose(state.average(seen), start(seen), atol=1e-6)
    learned = train(few, deeper, QUICK, tmp_path, start=start)
    assert learned.blocks[2].mlp.fc2.weight.abs().sum() > 0  # what changed nothing at first has learned
    for other in (replace(TINY, width=64), replace(TINY, dim=8)):
        with pytest.raises(SourceError, match="only depth may be less"):
            State(other, QUICK, "cpu").begin(start)
    with pytest.raises(SourceError, match="only depth may be less"):
        State(TINY, QUICK, "cpu").begin(learned)


def test_training_lowers_the_loss(few: Tiles, tmp_path: Path) -> None:
    recipe = replace(QUICK, steps=60, rate=3e-3, average=0.9)
    light, strong = zip(*_pairs(few, np.random.default_rng(9)), strict=True)
    seen = torch.from_numpy(np.stack(light + strong))[:, None].float()

    def measured(net: torch.nn.Module) -> float:
        with torch.inference_mode():
            return float(loss(net(seen), torch.arange(len(light)), recipe.temperature)[0])

    before = measured(State(TINY, recipe, "cpu").average)
    assert measured(train(few, TINY, recipe, tmp_path)) < before - 0.05
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60]


def test_the_loss_by_hand() -> None:
    """Two originals at right angles, the first copy exact, the second turned onto the first original."""
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    value, hit = loss(vectors, torch.tensor([0, 1]), 0.05)
    rows = [
        np.log(2),
        np.log(3),
        np.log(2),
        20 + np.log(2),
    ]  # -log of the partner's share, of 2, 3, 2 and of two nearer
    assert float(value) == pytest.approx(np.mean(rows), abs=1e-4)
    assert hit == 0.0
    assert loss(torch.eye(2).repeat(2, 1), torch.tensor([0, 1]), 1.0)[1] == 1.0
    assert loss(torch.eye(2).repeat(2, 1), torch.tensor([5, 5]), 1.0)[1] == 1.0  # one picture: no negatives


def _pairs(few: Tiles, rng: np.random.Generator) -> list[tuple[Pixels, Pixels]]:
    first = np.unique(few.picture, return_index=True)[1]
    return [(lightly(few.pixels[i], rng), strongly(few.pixels[i], few.pixels[i - 1], rng)) for i in first]


def test_a_checkpoint_of_another_training_is_refused(few: Tiles, tmp_path: Path) -> None:
    train(few, TINY, replace(QUICK, steps=2), tmp_path)
    with pytest.raises(SourceError, match="no checkpoint of this training"):
        train(few, replace(TINY, depth=2), QUICK, tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(SourceError, match="no checkpoint of this training"):
        averaged(tmp_path)


def tile_of(seed: int) -> Pixels:
    return np.ascontiguousarray(draw(seed, 192, 192)[..., 1])


def test_edits_are_drawn_from_the_seed_alone() -> None:
    tile, other = tile_of(1), tile_of(2)
    kept = tile.copy(), other.copy()
    seen = []
    for seed in range(60):
        once, again = (strongly(tile, other, np.random.default_rng(seed)) for _ in range(2))
        assert (once == again).all()
        assert once.shape == (112, 112)
        assert once.dtype == np.uint8
        assert lightly(tile, np.random.default_rng(seed)).shape == (112, 112)
        seen.append(once.tobytes())
    assert len(set(seen)) == 60
    assert (tile == kept[0]).all()
    assert (other == kept[1]).all()


def test_tiles_carry_the_number_of_their_picture(tmp_path: Path) -> None:
    image(1, 700, 500).save(tmp_path / "a.png")  # the whole and four quarters
    image(2, 100, 90).save(tmp_path / "b.jpg")
    (tmp_path / "c.png").write_text("no picture")
    image(3, 63, 200).save(tmp_path / "tiny.png")
    made = tiles([tmp_path], 10, 1, 0)
    assert made.picture.tolist() == [0] * 5 + [1, 3]  # the drawn one is last
    assert made.pixels.shape == (7, 192, 192)
    assert made.pixels.dtype == np.uint8
    again = tiles([tmp_path], 10, 1, 0)
    assert (made.pixels == again.pixels).all()
    with pytest.raises(SourceError, match="no picture to train on"):
        tiles([], 10, 0, 0)


def test_the_digest_is_of_what_decides_the_weights() -> None:
    assert digest(TINY, QUICK) == digest(TINY, replace(QUICK, workers=3, save_every=9))
    assert digest(TINY, QUICK) != digest(TINY, replace(QUICK, steps=7))
    assert digest(TINY, QUICK) != digest(replace(TINY, depth=2), QUICK)


def test_the_cost_is_that_of_all_sittings(tmp_path: Path) -> None:
    rows = [(20, 10.0), (40, 21.0), (40, 5.0), (60, 16.0), (80, 26.0)]
    lines = [json.dumps({"step": step, "seconds": s, "loss": 1.0, "hit": 0.5}) for step, s in rows]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    assert facts.cost(tmp_path, 60).seconds == 37.0


def test_the_job_trains_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(1, 300, 200).save(tmp_path / "a.png")
    sources = tmp_path / "sources.toml"
    sources.write_text('[[source]]\nname = "ours"\npictures = 1\nlicence = "CC0-1.0"\n')
    words = f"--width 32 --depth 1 --heads 2 --dim 16 --steps 20 --batch 4 --workers 0 --out {tmp_path}/run"
    main([*words.split(), "--pictures", str(tmp_path), "--drawn", "3", "--sources", str(sources), "--device", "cpu"])
    shipped = tmp_path / "shipped"
    main(["--out", f"{tmp_path}/run", "--export", str(shipped)])
    assert open_detector("cpu", shipped).facts["weights"] == files.sealed(shipped)
    card = (shipped / files.CARD).read_text()
    for said in (
        "| ours | 1 | CC0-1.0 |",
        "20 of 20 steps",
        files.sealed(shipped),
        "| depth | 1 |",
        "Nothing measured",
    ):
        assert said in card
    (shipped / files.CARD).write_text(card.replace("Nothing measured yet.", "recall .9"))
    before = files.sealed(shipped)
    main(["--out", f"{tmp_path}/run", "--export", str(shipped)])
    assert files.sealed(shipped) == before
    assert f"{BEGIN}\n\nrecall .9\n\n{END}" in (shipped / files.CARD).read_text()
    grown = ["--depth", "2", "--start", str(shipped / files.WEIGHTS), "--steps", "10", "--out", f"{tmp_path}/grown"]
    main([*words.split(), *grown, "--pictures", str(tmp_path), "--drawn", "3", "--device", "cpu"])
    main(["--out", f"{tmp_path}/grown", "--export", str(tmp_path / "deeper")])
    for said in (f"| start | {before} |", "--start WEIGHTS", "| depth | 2 |"):
        assert said in (tmp_path / "deeper" / files.CARD).read_text()
        assert said not in card
    with pytest.raises(SystemExit, match="no such file of weights"):
        main(["--out", f"{tmp_path}/none", "--start", f"{tmp_path}/none.safetensors"])
    with pytest.raises(SystemExit, match="no facts of a training"):
        main(["--out", f"{tmp_path}/none", "--export", str(shipped)])
    with pytest.raises(SystemExit, match="no such folder"):
        main(["--out", f"{tmp_path}/none", "--pictures", f"{tmp_path}/none"])


def test_the_job_needs_neither_ray_nor_faiss() -> None:
    code = "import sys, curate.detector_training.command; print(sorted({'ray', 'faiss'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
