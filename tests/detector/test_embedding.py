"""`Embedder`: what can be asked for, and TorchScript files."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from curate.detector import files
from curate.errors import SourceError
from curate.ops import embedding
from curate.ops.embedding import Embedder
from tests.pictures import draw


class Mean(torch.nn.Module):  # type: ignore[misc]
    """Means of the channels over a grid of 4 x 4: (N, 3, S, S) -> (N, 48); `scale` is its only weight."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, (4, 4)).flatten(1) * self.scale


def script(path: Path, scale: float = 1.0) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(Mean(scale)), path)
    return path


def test_the_detector_says_what_it_is() -> None:
    embed = Embedder("detector", "cpu")
    assert embed.size == 128
    assert not embed.colour
    assert embed.facts["model"] == "detector"
    assert embed.facts["weights"] == files.sealed()
    assert "112 x 112" in embed.facts["preprocessing"]
    prepared = embed.prepare(draw(1, 300, 200))
    assert (prepared.shape, prepared.dtype) == ((112, 112), np.uint8)
    (vector,) = embed([prepared])
    assert vector is not None
    assert vector.shape == (256,)
    assert vector.dtype == np.float16


def test_a_script_sees_squashed_pictures_with_imagenets_mean(tmp_path: Path) -> None:
    path = script(tmp_path / "m.pt")
    embed = Embedder(f"torchscript:{path}?side=64", "cpu")
    assert embed.size == 64
    assert embed.colour
    assert embed.facts["weights"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "Normalize" in embed.facts["preprocessing"]
    grey = np.full((90, 40, 3), 255, np.uint8)
    (vector,) = embed([embed.prepare(grey)])
    white = (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    wanted = np.repeat(white, 16) / np.linalg.norm(np.repeat(white, 16))
    assert vector is not None
    assert np.abs(vector - wanted).max() < 1e-3
    assert Embedder(f"torchscript:{path}", "cpu").size == 288


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_a_script_with_weights_that_are_no_numbers_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(SourceError, match="weights `scale` are not finite"):
        Embedder(f"torchscript:{script(tmp_path / 'm.pt', scale)}", "cpu")


def test_vectors_that_are_no_directions_are_none(tmp_path: Path) -> None:
    embed = Embedder(f"torchscript:{script(tmp_path / 'zero.pt', 0.0)}?side=32", "cpu")
    assert embed([embed.prepare(draw(1))]) == [None]
    huge = Embedder(f"torchscript:{script(tmp_path / 'huge.pt', 3e38)}?side=32", "cpu")
    assert huge([huge.prepare(np.full((9, 9, 3), 255, np.uint8))]) == [None]


def test_what_is_no_script_is_refused_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no model")
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle.pt")
    for spec, said in {
        f"torchscript:{tmp_path}/none.pt": "none.pt",
        f"torchscript:{tmp_path}/text.pt": "Error",
        f"torchscript:{tmp_path}/pickle.pt": "Error",
        f"torchscript:{tmp_path}/text.pt?side=5": "16 to 1024",
        f"torchscript:{tmp_path}/text.pt?mean=0": "side=PX",
        "torchscript:": "want none, detector",
        "clip": "want none, detector",
        "detector:x": "want none, detector",
        "": "want none, detector",
    }.items():
        with pytest.raises(SourceError, match=said) as caught:
            Embedder(spec, "cpu")
        assert "\n" not in str(caught.value)


def test_specs_are_checked_without_opening_anything() -> None:
    for spec in ("detector", "timm:vit/x", "open_clip:ViT-B-32/openai", "torchscript:/no/such/file?side=320"):
        assert embedding.checked_spec(spec) == spec


def test_the_content_of_a_spec_is_that_of_its_file(tmp_path: Path) -> None:
    path = script(tmp_path / "m.pt")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert embedding.content(f"torchscript:{path}?side=64") == embedding.content(f"timm:vit/{path}") == digest
    assert embedding.content("detector") == files.sealed()
    assert embedding.content("open_clip:ViT-B-32/openai") == ""
