"""The detector as it runs: without torch the same vectors as with it, each of its own picture alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
import torch
from numpy.typing import NDArray

from curate.detector import embed, files, weights
from curate.detector.embed import open_detector
from curate.detector.graph import BATCH
from curate.detector.model import Detector, OfPictures
from curate.detector.pixels import SIDE, resized, seen, squash
from curate.errors import SourceError
from tests.detector.conftest import cosines
from tests.pictures import Pixels, draw, textured


def by_torch(detector: Detector, seen: list[Pixels], dtype: torch.dtype = torch.float32) -> NDArray[np.float32]:
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        vectors: NDArray[np.float32] = OfPictures(detector)(torch.from_numpy(np.stack(seen))).float().numpy()
    return vectors


@pytest.mark.parametrize("shipped", [False, True])
def test_without_torch_the_same_vectors_as_with_it(folder: Path, pictures: list[Pixels], shipped: bool) -> None:
    where = files.FOLDER if shipped else folder
    run = open_detector("cpu", where)
    seen = [run.prepare(p) for p in pictures]
    detector, about = weights.load(where / files.WEIGHTS)
    ours = run(seen)
    assert ours.shape == (len(pictures), about.shape.dim)
    assert ours.dtype == np.float32
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-5
    assert cosines(ours, by_torch(detector, seen)).min() > 0.9999
    assert cosines(ours, by_torch(detector, seen, torch.bfloat16)).min() > 1 - 1e-2


def test_a_vector_depends_on_its_own_picture_alone(folder: Path, pictures: list[Pixels]) -> None:
    run = open_detector("cpu", folder)
    seen = [run.prepare(p) for p in pictures]
    assert len(seen) > 2 * BATCH
    together = run(seen)
    assert (np.concatenate([run([one]) for one in seen]) == together).all()
    assert (run(seen[::-1])[::-1] == together).all()
    assert (run(seen[5:12]) == together[5:12]).all()


def test_vectors_outlive_the_next_call(folder: Path, pictures: list[Pixels]) -> None:
    run = open_detector("cpu", folder)
    first = run([run.prepare(pictures[0])])
    kept = first.copy()
    run([run.prepare(pictures[1])])
    assert (first == kept).all()


def test_a_side_shrinks_by_the_mean_and_grows_linearly() -> None:
    blocks = np.zeros((512, 512), np.uint8)
    blocks[::2, ::2] = 200  # one of each four
    for side in (256, 128, 64, 16):
        assert (resized(blocks, side, side) == 50).all()
    ramp = np.repeat(np.arange(56, dtype=np.uint8)[:, None] * 4, 224, axis=1)  # one side grows, the other shrinks
    for width in (112, 32):
        grown = resized(ramp, width, 112)
        assert grown.shape == (112, width)
        assert (np.diff(grown[:, 0].astype(int)) >= 0).all()
        assert (grown == grown[:, :1]).all()
    assert (resized(ramp, 224, 56) == ramp).all()
    assert resized(np.full((1, 1), 7, np.uint8), 3, 2).tolist() == [[7] * 3] * 2


@pytest.mark.parametrize("size", [(399, 300), (300, 220), (257, 129), (150, 127)])
def test_shrunk_pictures_are_nearly_the_mean_of_areas(size: tuple[int, int]) -> None:
    """Also of rich drawings, where one pixel tells nothing of the next, and by no whole number."""
    picture = np.asarray(cv2.cvtColor(textured("chart", 1, *size), cv2.COLOR_RGB2GRAY), np.uint8)
    for width, height in ((128, 100), (112, 112), (100, 75)):
        mean = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        apart = np.abs(resized(picture, width, height).astype(int) - mean.astype(int))
        assert apart.mean() < 0.02 * picture.std() + 2


def test_what_is_seen_is_grey_and_the_same_of_a_squash() -> None:
    picture = draw(1, 300, 200)
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    assert (seen(picture) == seen(grey)).all()
    assert (seen(squash(grey)) == seen(grey)).all()
    assert np.abs(seen(grey).astype(int) - resized(grey, SIDE, SIDE)).max() <= 8
    assert np.abs(grey - picture @ np.array([0.299, 0.587, 0.114])).max() < 1
    assert seen(draw(2, 1, 1)).shape == seen(draw(2, 3000, 3)).shape == (SIDE, SIDE)


def test_a_device_that_is_not_there_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SourceError, match="torch finds no CUDA here"):
        open_detector("cuda", folder)
    monkeypatch.setattr(embed, "_NVIDIA", Path(sys.executable))  # the driver is there, but no GPU is to be had
    assert "openvino" in open_detector("auto", folder).facts["runs_on"]
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "openvino" in open_detector("auto", folder).facts["runs_on"]
    with pytest.raises(SourceError, match=r"pip install 'curate\[models\]'"):
        open_detector("cuda:0", folder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_nearly_the_same(folder: Path, pictures: list[Pixels]) -> None:
    cpu, gpu = open_detector("cpu", folder), open_detector("cuda", folder)
    seen = [cpu.prepare(p) for p in pictures]
    assert cosines(cpu(seen), gpu(seen)).min() > 1 - 1e-2
    assert (np.concatenate([gpu([one]) for one in seen]) == gpu(seen)).all()


def test_the_cpu_needs_neither_torch_nor_ray_nor_faiss_and_tells_nobody() -> None:
    code = """if True:
        import sys
        import numpy as np
        from curate.ops.embedding import Embedder
        embed = Embedder("detector", "cpu")
        (vector,) = embed([embed.prepare(np.zeros((50, 70, 3), np.uint8))])
        assert vector.dtype == np.float16 and abs(float(np.linalg.norm(vector.astype(float))) - 1) < 1e-2
        loaded = {name for name in sys.modules if sys.modules[name] is not None}
        print(sorted({"torch", "torchvision", "timm", "ray", "faiss", "safetensors", "openvino_telemetry"} & loaded))
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def edited(picture: Pixels) -> dict[str, Pixels]:
    """What the web does most."""
    height, width = picture.shape[:2]
    encoded = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=30)
    return {
        "jpeg": simplejpeg.decode_jpeg(encoded),
        "half": np.asarray(cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8),
        "crop": picture[height // 16 :, width // 16 :],
        "squeezed": np.asarray(cv2.resize(picture, (width, height * 3 // 4)), np.uint8),
        "lighter": np.clip(picture * 1.15 + 10, 0, 255).astype(np.uint8),
    }


def test_copies_are_nearer_than_strangers() -> None:
    """The shipped weights: 19 of 20 copies are nearer to their own picture than to any of 23 much like it."""
    run = open_detector("cpu")
    originals = [draw(100 + i, 240, 180) for i in range(24)]
    whole = run([run.prepare(p) for p in originals])
    hits = []
    for name in edited(originals[0]):
        copies = run([run.prepare(edited(p)[name]) for p in originals])
        hits += list((copies @ whole.T).argmax(axis=1) == np.arange(24))
    assert np.mean(hits) >= 0.95
