"""The whole pretraining: data, model, training, probes, and the files they leave in `RUN/pretrain/`."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import asdict
from importlib import metadata

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save
from timm.models.vision_transformer import VisionTransformer

from curate.errors import CurateError
from curate.pretrain.data import CleanShards
from curate.pretrain.model import TwoTowers, features
from curate.pretrain.probe import Features, labelled, probe
from curate.pretrain.result import PretrainResult, Probe, Samples
from curate.pretrain.settings import PretrainSettings
from curate.pretrain.train import Curve, train
from curate.progress import Watch
from curate.runfile import RunFile
from curate.store import Store

_LIBRARIES = ("torch", "timm", "open_clip_torch")
_FEWEST = 32
"""With fewer captions a falling loss says nothing about the shards."""


def work(run: RunFile, store: Store, watch: Watch) -> PretrainResult:
    """Train, probe, write; the result. The global seed of torch is as before when it returns."""
    settings = run.pretrain
    clean = store.read_json("clean", "manifest.json")
    if clean is None:
        raise CurateError(f"{store.path('clean')}: not finished, so there is nothing to train on; finish the run first")
    data = CleanShards(store, settings, run.signatures.max_pixels)
    captioned = data.captioned()
    if captioned < _FEWEST:
        raise CurateError(f"{store.path('clean')}: {captioned} sample(s) have a caption; training needs {_FEWEST}")
    device = _device(settings)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        tokenizer = SimpleTokenizer()
        model = TwoTowers(settings, tokenizer.vocab_size).to(device)
        before = copy.deepcopy(model.vit)
        curve = train(model, tokenizer, data.batches(min(settings.batch, captioned)), settings, watch)
    probes, not_probed = _probes(run, _frozen(before, device), _frozen(model.vit, device))
    result = PretrainResult(
        folder=store.path("pretrain"),
        clean=clean["content"],
        settings=settings.model_dump(mode="json"),
        versions={name: metadata.version(name) for name in _LIBRARIES},
        device=torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        parameters=sum(p.numel() for p in model.vit.parameters()),
        steps=len(curve.losses),
        seconds=round(curve.seconds, 3),
        images_per_second=round(curve.images / curve.seconds, 1),
        samples=Samples(data.used, dict(data.skipped)),
        losses=curve.losses,
        probe=probes,
        not_probed=not_probed,
    )
    _write(store, result, model, curve)
    return result


def _device(settings: PretrainSettings) -> str:
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _frozen(vit: VisionTransformer, device: str) -> Features:
    vit.eval()

    def see(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            seen = features(vit, torch.from_numpy(pixels).to(device))
            return np.asarray(seen.double().cpu())

    return see


def _probes(run: RunFile, before: Features, after: Features) -> tuple[tuple[Probe, ...], dict[str, str]]:
    """Probes of all benchmarks that allow one, and why the others do not."""
    done: list[Probe] = []
    not_probed: dict[str, str] = {}
    for name, where in sorted(run.benchmarks.items()):
        pictures = labelled(where, run.pretrain.image_size, run.signatures.max_pixels)
        found = probe(name, pictures, before, after, run.pretrain.shots)
        if isinstance(found, Probe):
            done.append(found)
        else:
            not_probed[name] = found
    return tuple(done), not_probed


def _write(store: Store, result: PretrainResult, model: TwoTowers, curve: Curve) -> None:
    """The checkpoint, the curve, and last the summary: where it is, the others are."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    about = {"settings": json.dumps(result.settings, sort_keys=True), "clean": result.clean}
    store.write_bytes(save(weights, about), "pretrain", "checkpoint.safetensors")
    store.write_bytes(_plot(curve), "pretrain", "loss.png")
    store.write_json(asdict(result), "pretrain", "summary.json")


def _plot(curve: Curve) -> bytes:
    """The loss over the steps, as PNG; greys and a clear ground, so that it stands on a light and on a dark page."""
    grey = "#808891"
    figure = Figure(figsize=(7, 3), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="contrastive loss")
    axes.plot(range(1, len(curve.losses) + 1), curve.losses, color="#3f86d8", linewidth=1.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(grey)
    axes.tick_params(colors=grey)
    axes.xaxis.label.set_color(grey)
    axes.yaxis.label.set_color(grey)
    png = io.BytesIO()
    figure.savefig(png, format="png", transparent=True)
    return png.getvalue()
