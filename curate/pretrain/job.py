"""The whole pretraining: data, model, training, probes, and the files they leave in `RUN/pretrain/`."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from curate.errors import CurateError
from curate.pretrain import probing, speed
from curate.pretrain.checkpoint import Checkpoint, frozen
from curate.pretrain.data import Batches
from curate.pretrain.index import ALONE, Chosen, Index, World
from curate.pretrain.objectives import Objective, objective
from curate.pretrain.probe import Pixels, probes, raw_pixels, see
from curate.pretrain.result import PretrainResult, Probe, Samples, Speed
from curate.pretrain.settings import PretrainSettings
from curate.pretrain.state import Curve, State
from curate.pretrain.train import Place, loss_of, name_of, train
from curate.pretrain.trainings import Told, together
from curate.progress import Watch
from curate.runfile import RunFile
from curate.store import Store, digest_of

_LIBRARIES = ("torch", "timm", "open_clip_torch")
_FEWEST = 32
"""With fewer samples a falling loss says nothing about the shards."""


class Opened(NamedTuple):
    """A training made ready in one process."""

    state: State
    goal: Objective
    batches: Batches
    data: Index
    before: VisionTransformer
    """The ViT with its first, random weights."""


class Judged(NamedTuple):
    """What is reported of every training: how it went, its probes, and why a benchmark has none."""

    curve: Curve
    probe: list[Probe]
    not_probed: dict[str, str]


def work(run: RunFile, store: Store, watch: Watch, on: str = "local") -> PretrainResult:
    """Train as often as asked, probe, write; the result. The global seed of torch is as before when it returns."""
    count, seed = run.pretrain.trainings, run.pretrain.seed
    told = Told(watch, "pretrain", count) if count > 1 else None
    opened = _trained(run, store, told or watch, on)
    judged = [_judged(run, opened)]
    for another in range(seed + 1, seed + count):
        changed = run.model_copy(update={"pretrain": run.pretrain.model_copy(update={"seed": another})})
        judged.append(_judged(changed, _trained(changed, store, told or watch, on)))
    if told:
        told.end()
    result = _result(run, store, opened, judged, run.pretrain.workers if on != "local" else 1)
    _write(store, result, opened.state.kept, opened.data.classes)
    return result


def _trained(run: RunFile, store: Store, watch: Watch, on: str) -> Opened:
    """One training, to its end."""
    if on == "local":
        opened, place = ready(run, store), Place(device_of(run.pretrain), ALONE, store)
        train(opened.state, opened.goal, opened.batches, run.pretrain, place, watch)
        return opened
    from curate.pretrain import workers  # here: it needs ray

    workers.run(run, store, watch, on)
    return ready(run, store)


def ready(run: RunFile, store: Store, world: World = ALONE, chosen: Chosen | None = None) -> Opened:
    """Read the index, make the model, and take up what is saved of an earlier sitting; CurateError if it cannot be."""
    settings = run.pretrain
    clean = store.read_json("clean", "manifest.json")
    if clean is None:
        raise CurateError(f"{store.path('clean')}: not finished, so there is nothing to train on; finish the run first")
    index = Index(store, settings, chosen)
    _require(index, settings)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        goal = objective(settings, len(index.classes), world)
        model = goal.model()
    before = copy.deepcopy(model.vit)
    state = State(model.to(device_of(settings, world)), settings, digest_of([settings.recipe(), clean["content"]]))
    if chosen is None:
        state.resume(store)
    return Opened(state, goal, Batches(index, settings, run.signatures.max_pixels, world), index, before)


def _require(index: Index, settings: PretrainSettings) -> None:
    has = "a caption" if settings.captions else f"a label in `{settings.label_field}`"
    if len(index.train) < _FEWEST:
        raise CurateError(f"{index.folder}: {len(index.train)} sample(s) have {has}; training needs {_FEWEST}")
    if not settings.captions and len(index.classes) < 2:
        raise CurateError(f"{index.folder}: all samples have the label {index.classes[0]!r}; training needs two labels")


def device_of(settings: PretrainSettings, world: World = ALONE) -> torch.device:
    """Where to train: as the settings say; of several processes on one machine, each takes a GPU of its own."""
    if settings.device != "auto":
        return torch.device(settings.device)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", world.rank % torch.cuda.device_count())


def _result(run: RunFile, store: Store, opened: Opened, judged: list[Judged], processes: int) -> PretrainResult:
    settings, curve, index = run.pretrain, opened.state.curve, opened.data
    device = device_of(settings)
    manifest = store.read_json("clean", "manifest.json") or {}
    drawn = _drawn(opened, settings)
    for name, png in drawn.items():
        store.write_bytes(png, "pretrain", f"{name}.png")
    return PretrainResult(
        folder=store.path("pretrain"),
        clean=manifest["content"],
        settings=settings.model_dump(mode="json"),
        versions={name: version for name in _LIBRARIES if (version := _version(name))},
        device=name_of(device),
        workers=processes,
        parameters=sum(p.numel() for p in opened.state.kept.vit.parameters()),
        steps=opened.state.step,
        speed=_speed([each.curve for each in judged], settings, name_of(device), processes),
        samples=Samples(len(index.train), len(index.held), opened.batches.skipped(), run.duplicates.near),
        losses=tuple(curve.losses),
        rates=tuple(curve.rates),
        gradients=tuple(curve.gradients),
        held_out_loss=_held_out_loss(opened, settings, device),
        probe=tuple(together([each.probe for each in judged])),
        not_probed=judged[0].not_probed,
        pictures={name: f"{name}.png" for name in drawn},
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _speed(curves: list[Curve], settings: PretrainSettings, device: str, devices: int) -> Speed:
    seconds = max(sum(curve.seconds for curve in curves), 1e-9)
    rate = sum(curve.images for curve in curves) / seconds
    waited = sum(sum(curve.waits) for curve in curves)
    mfu = speed.used(settings, rate, device, devices)
    wait_ms = 1000 * waited / max(sum(len(curve.waits) for curve in curves), 1)
    return Speed(round(seconds, 3), round(rate, 1), round(waited / seconds, 4), round(wait_ms, 2), mfu)


def _judged(run: RunFile, opened: Opened) -> Judged:
    """Probes of all benchmarks that allow one, and of the held-out split."""
    settings, done = run.pretrain, list[Probe]()
    before, after = opened.before.to(device_of(settings)), opened.state.kept.vit
    not_probed: dict[str, str] = {}
    net = Checkpoint(opened.state.kept, before, opened.goal, settings, opened.data.classes)
    for name, where in sorted(run.benchmarks.items()):
        each, why_not = probing.of_benchmark(net, name, where, run.signatures.max_pixels)
        done += each
        not_probed |= {name: why_not} if why_not else {}
    if settings.objective == "label" and len(opened.data.held):
        rows, held = _of_split(opened)
        nets = {"raw pixels": raw_pixels, "untrained": frozen(before), "trained": frozen(after)}
        each, why_not = probes("held out", see(_labelled(opened, rows, settings), nets, held), settings)
        done += each
        not_probed |= {"held out": why_not} if why_not else {}
    return Judged(opened.state.curve, done, not_probed)


def _of_split(opened: Opened) -> tuple[list[int], NDArray[np.bool_]]:
    """The training rows and then those held out; and which these are."""
    rows = np.concatenate([opened.data.train, opened.data.held])
    return rows.tolist(), np.arange(len(rows)) >= len(opened.data.train)


def _labelled(opened: Opened, rows: list[int], settings: PretrainSettings) -> Iterator[tuple[str, Pixels]]:
    """Rows of the clean shards as a benchmark; one that cannot be read is grey, so that the split stays as it is."""
    grey = np.full((settings.image_size, settings.image_size, 3), 128, np.uint8)
    for row in rows:
        pixels = opened.batches.squares([row], settings.image_size)[0]
        yield opened.data.labels[row][0], grey if pixels is None else pixels


def _held_out_loss(opened: Opened, settings: PretrainSettings, device: torch.device) -> float | None:
    """The mean loss on held-out samples, in batches as in training (a contrastive loss depends on their size)."""
    net, size = opened.state.kept, opened.batches.size
    rows = opened.data.held.tolist()
    chunks = [rows[at : at + size] for at in range(0, len(rows), size)]
    whole = [chunk for chunk in chunks if len(chunk) == size or not settings.captions]
    net.eval()
    with torch.inference_mode():
        plain = settings.model_copy(update={"mixup": 0.0})
        goal = objective(plain, len(opened.data.classes))
        losses = [
            (len(chunk), float(loss_of(net, goal, opened.batches.still(chunk), plain, device))) for chunk in whole
        ]
    seen = sum(n for n, _ in losses)
    return math.fsum(n * loss for n, loss in losses) / seen if seen else None


def _drawn(opened: Opened, settings: PretrainSettings) -> dict[str, bytes]:
    """Pictures by name, of samples from all over the held-out ones if there are any; none without matplotlib."""
    try:
        from curate.pretrain import pictures
    except ImportError:
        return {}
    rows = opened.data.held if len(opened.data.held) else opened.data.train
    spread = rows[np.unique(np.linspace(0, len(rows) - 1, pictures.SHOWN).astype(int))].tolist()
    found = [pixels for pixels in opened.batches.squares(spread, settings.image_size) if pixels is not None]
    side = settings.image_size
    shown = np.random.default_rng(settings.seed).permutation(np.stack(found)) if found else np.empty((0, side, side, 3))
    return pictures.draw(opened.state.curve, settings, opened.before, opened.state.kept.vit, shown.astype(np.uint8))


def _write(store: Store, result: PretrainResult, model: nn.Module, classes: list[str]) -> None:
    """The checkpoint, and last the summary: where it is, the others are."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    about = {"settings": result.settings, "clean": result.clean, "classes": classes}
    said = {name: json.dumps(value, sort_keys=True) for name, value in about.items()}
    store.write_bytes(save(weights, said), "pretrain", "checkpoint.safetensors")
    store.write_json(asdict(result), "pretrain", "summary.json")
