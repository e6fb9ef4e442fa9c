"""The detector's weights as one safetensors file: float16 numbers, and in its header what they are. Runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from curate.detector.model import Detector, Shape
from curate.errors import SourceError

FORMAT = "curate-detector-1"
_MOST = {"width": 2048, "depth": 64, "heads": 64, "dim": 4096}
"""The largest sizes that are believed of a file: a header must not make us ask for all memory."""


@dataclass(frozen=True)
class About:
    """What the header says: the detector's `shape`, the digest of its training `recipe`, and the `step` it was at."""

    shape: Shape
    recipe: str
    step: int


def save(path: Path, detector: Detector, recipe: str, step: int) -> None:
    """Write weights as float16; each number is off by 5e-4 of itself at most, the vectors' cosine is above .9999."""
    state = {name: tensor.detach().cpu().half().contiguous() for name, tensor in detector.state_dict().items()}
    about = {"format": FORMAT, "shape": asdict(detector.shape), "recipe": recipe, "step": step}
    save_file(state, path, {"about": json.dumps(about)})  # one entry, since safetensors shuffles several
    path.chmod(0o644)  # safetensors makes it the owner's alone, and it is to be installed for all


def load(path: Path) -> tuple[Detector, About]:
    """Read a detector, in float32 and set to evaluate; SourceError says what of the file is not as it must be."""
    try:
        with safe_open(path, framework="pt") as file:
            about = _about(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file of weights") from None
    except (SafetensorError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise SourceError(f"{path} holds no weights of a detector: {said}") from None
    with torch.device("meta"):  # shapes only: what the header says takes no memory before the tensors bear it out
        wanted = Detector(about.shape).state_dict()
    if faults := _faults(state, wanted):
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise SourceError(f"{path} is not of a detector of {about.shape}: {'; '.join(faults[:5])}{more}")
    with torch.random.fork_rng(devices=[]):  # weights drawn only to be replaced must not move the caller's seed
        detector = Detector(about.shape)
    detector.load_state_dict(state)
    return detector.requires_grad_(False).eval(), about


def _about(header: Mapping[str, str]) -> About:
    """Read the header; ValueError where it is not ours."""
    said: Any = json.loads(header.get("about", "{}"))
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise ValueError(f"its header says {str(said)[:100]!r}, not that its format is {FORMAT!r}")
    sizes, recipe, step = (said.get(name) for name in ("shape", "recipe", "step"))
    if type(recipe) is not str or type(step) is not int:
        raise ValueError(f"its recipe is {recipe!r} and its step {step!r}, not a digest and a number")
    names = [field.name for field in fields(Shape)]
    if not isinstance(sizes, dict) or sorted(sizes) != sorted(names):
        raise ValueError(f"its shape is {sizes!r}, not sizes of {', '.join(names)}")
    for name, size in sizes.items():
        if type(size) is not int or not 1 <= size <= _MOST[name]:
            raise ValueError(f"its {name} is {size!r}, not 1 to {_MOST[name]}")
    if sizes["width"] % sizes["heads"]:
        raise ValueError(f"its width {sizes['width']} does not divide by {sizes['heads']} heads")
    return About(Shape(**sizes), recipe, step)


def _faults(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """All that is wrong with the tensors, each by its name."""
    faults = [f"lacks `{name}`" for name in wanted if name not in state]
    faults += [f"has an unknown `{name}`" for name in state if name not in wanted]
    for name in wanted.keys() & state.keys():
        tensor, want = state[name], tuple(wanted[name].shape)
        if tuple(tensor.shape) != want:
            faults.append(f"`{name}` is {tuple(tensor.shape)}, not {want}")
        elif tensor.dtype not in (torch.float16, torch.float32):
            faults.append(f"`{name}` is of {tensor.dtype}")
        elif not torch.isfinite(tensor).all():
            faults.append(f"`{name}` is not finite")
    return sorted(faults)
