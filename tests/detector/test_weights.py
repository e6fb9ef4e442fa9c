"""Weights and their seal: what was written comes back, and nothing else is taken for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from curate.detector import files, weights
from curate.detector.embed import open_detector
from curate.detector.model import Detector
from curate.errors import SourceError
from tests.detector.conftest import TINY, cosines

SIZES = {"width": 32, "depth": 1, "heads": 2, "dim": 16}
ABOUT = {"format": weights.FORMAT, "shape": SIZES, "recipe": "00", "step": 7}


def header(about: object) -> dict[str, str]:
    return {"about": json.dumps(about)}


def test_weights_come_back_with_what_they_are(folder: Path, tiny: Detector) -> None:
    read, about = weights.load(folder / files.WEIGHTS)
    assert about == weights.About(TINY, "00", 7)
    assert not read.training
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(read.state_dict()[name], tensor), name


def test_the_same_weights_give_the_same_bytes(folder: Path, tiny: Detector, tmp_path: Path) -> None:
    weights.save(tmp_path / "w.safetensors", tiny, "00", 7)
    assert (tmp_path / "w.safetensors").read_bytes() == (folder / files.WEIGHTS).read_bytes()


def test_float16_costs_nothing_that_counts(tmp_path: Path) -> None:
    torch.manual_seed(5)
    detector = Detector(TINY).eval()
    weights.save(tmp_path / "w.safetensors", detector, "", 0)
    seen = torch.randint(0, 256, (8, 1, 112, 112)).float()
    with torch.inference_mode():
        ours, theirs = (net(seen).numpy() for net in (detector, weights.load(tmp_path / "w.safetensors")[0]))
    assert cosines(ours, theirs).min() > 0.9999


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("norm.bias"), "lacks `norm.bias`"),
        (lambda state: state.update(head=torch.zeros(3)), "has an unknown `head`"),
        (lambda state: state.update({"norm.bias": torch.zeros(5)}), r"`norm.bias` is \(5,\), not \(32,\)"),
        (lambda state: state.update({"norm.bias": torch.full((32,), torch.nan)}), "`norm.bias` is not finite"),
        (lambda state: state.update({"norm.bias": torch.full((32,), torch.inf)}), "`norm.bias` is not finite"),
        (lambda state: state.update({"norm.bias": torch.zeros(32, dtype=torch.int8)}), "`norm.bias` is of torch.int8"),
        (lambda state: state.clear(), "lacks `blocks.*more"),
    ],
)
def test_other_tensors_are_refused_by_name(folder: Path, tmp_path: Path, change: Any, said: str) -> None:
    state = load_file(folder / files.WEIGHTS)
    change(state)
    save_file(state, tmp_path / "w.safetensors", header(ABOUT))
    with pytest.raises(SourceError, match=said):
        weights.load(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "not that its format is"),
        ({"shape": []}, "its shape is"),
        ({"shape": None}, "its shape is"),
        ({"shape": {"width": 32}}, "its shape is"),
        ({"shape": SIZES | {"more": 1}}, "its shape is"),
        ({"shape": SIZES | {"width": 10**7}}, "its width is 10000000"),
        ({"shape": SIZES | {"width": True}}, "its width is True"),
        ({"shape": SIZES | {"width": 36, "heads": 5}}, "does not divide"),
        ({"step": "7"}, "its step '7'"),
        ({"recipe": None}, "its recipe is None"),
    ],
)
def test_other_headers_are_refused(folder: Path, tmp_path: Path, change: dict[str, object], said: str) -> None:
    save_file(load_file(folder / files.WEIGHTS), tmp_path / "w.safetensors", header(ABOUT | change))
    with pytest.raises(SourceError, match=said):
        weights.load(tmp_path / "w.safetensors")


def test_files_that_are_no_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / files.WEIGHTS).read_bytes()
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle.safetensors")
    for name, data in {"empty": b"", "text": b"version https://git-lfs", "cut": whole[: len(whole) // 2]}.items():
        (tmp_path / f"{name}.safetensors").write_bytes(data)
    for name in ("pickle", "empty", "text", "cut"):
        with pytest.raises(SourceError, match="holds no weights of a detector"):
            weights.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(SourceError, match="no such file"):
        weights.load(tmp_path / "none.safetensors")
    for said in (None, {"about": "["}, {"about": "[]"}):
        save_file({"a": torch.zeros(1)}, tmp_path / "headless.safetensors", said)
        with pytest.raises(SourceError, match="holds no weights of a detector"):
            weights.load(tmp_path / "headless.safetensors")


@pytest.mark.parametrize("name", [files.WEIGHTS, files.GRAPH, "detector.bin"])
def test_a_file_that_is_not_of_the_export_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    changed = bytearray((tmp_path / "copy" / name).read_bytes())
    changed[-1] ^= 1
    (tmp_path / "copy" / name).write_bytes(changed)
    with pytest.raises(SourceError, match=f"{name} not as detector.json says"):
        open_detector("cpu", tmp_path / "copy")
    (tmp_path / "copy" / name).unlink()
    with pytest.raises(SourceError, match="not whole"):
        open_detector("cpu", tmp_path / "copy")


def test_a_seal_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    for said in ("", "[]", "{}"):
        (tmp_path / "copy" / files.SEAL).write_text(said)
        with pytest.raises(SourceError, match="not whole"):
            files.sealed(tmp_path / "copy")


def test_the_shipped_files_are_whole_and_small() -> None:
    digest = files.sealed()
    detector, about = weights.load(files.FOLDER / files.WEIGHTS)
    assert about.shape == detector.shape
    assert len(about.recipe) == 64
    assert sum((files.FOLDER / name).stat().st_size for name in (files.WEIGHTS, files.GRAPH, "detector.bin")) < 25e6
    card = (files.FOLDER / files.CARD).read_text()
    assert digest in card
    assert about.recipe in card
    assert np.isfinite(detector.project.weight.numpy()).all()
