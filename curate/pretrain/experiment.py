"""The experiment `curate pretrain RUN --compare`: does contamination lift scores, and does cleaning take that away?

Edited copies of a known share of the benchmarks' images are planted among a run's clean samples, with their labels.
Then three kinds of training, from the same seeds: on all of it (dirty), on what this run's own settings leave of it
(clean), and on as many samples as that, dropped at random (random). Images with planted copies are held against the
others, and the same images against themselves in another kind of training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.errors import CurateError
from curate.executors import Serial
from curate.pretrain import compare_plots, planting
from curate.pretrain.compared import KINDS, Compared, Outcome, Scale, outcome
from curate.pretrain.index import ALONE, Chosen
from curate.pretrain.job import Opened, device_of, ready
from curate.pretrain.planting import Benchmark, Planted
from curate.pretrain.train import Place, train
from curate.pretrain.trainings import Told
from curate.pretrain.zeroshot import classify
from curate.progress import Progress, Watch
from curate.runfile import RunFile
from curate.runner import run as bring_up
from curate.sources import SourceSettings
from curate.stages.duplicates import DuplicatesSettings
from curate.stages.recall import RecallSettings
from curate.store import Store, digest_of

Correct = dict[str, NDArray[np.bool_]]
"""By benchmark, which images were told right: (seeds, N)."""


class Corpora(NamedTuple):
    """The two runs on the planted corpus: with nothing taken out, and without contamination. Random thins the first."""

    dirty: RunFile
    clean: RunFile
    dropped: int
    """Samples that the second lacks."""


def work(run: RunFile, store: Store, watch: Watch) -> Compared:
    """Plant, clean, train and judge; writes `RUN/pretrain/compare/`. Finished trainings are not made again."""
    clean = store.read_json("clean", "manifest.json")
    if clean is None:
        raise CurateError(f"{store.path('clean')}: not finished, so nothing can be planted in it; finish the run first")
    benchmarks = planting.read(run)
    if not benchmarks:
        raise CurateError(f"{run.out}: no benchmark with labels, so there is no accuracy to compare")
    given = run.pretrain.compare
    total = (len(given.shares) * len(KINDS) + len(given.subsets) * len(given.models)) * given.seeds
    told = Told(watch, "compare", total)
    outcomes = [one for share in given.shares for one in _of_share(run, store, benchmarks, share, told)]
    scales = _scales(run, store, benchmarks, told)
    folder, objective = store.path("pretrain", "compare"), run.pretrain.objective
    result = Compared(folder, clean["content"], objective, given.seeds, tuple(outcomes), scales)
    store.write_bytes(compare_plots.outcomes(result), "pretrain", "compare", "compare.png")
    if scales:
        store.write_bytes(compare_plots.scales(result), "pretrain", "compare", "scales.png")
    store.write_json(asdict(result), "pretrain", "compare", "summary.json")
    told.end()
    return result


def _of_share(run: RunFile, store: Store, benchmarks: list[Benchmark], share: float, told: Told) -> list[Outcome]:
    """What became of each benchmark when a share of its images was planted."""
    folder = f"share-{share:g}"
    planted = planting.plant(run, store, benchmarks, share, folder)
    corpora = _corpora(run, store, planted, told.watch)
    right: dict[str, Correct] = {}
    for kind in KINDS:
        each = [_accuracy(corpora, kind, seed, benchmarks, told) for seed in range(run.pretrain.compare.seeds)]
        right[kind] = {b.name: np.array([one[b.name] for one in each], bool) for b in benchmarks}
    samples = dict.fromkeys(KINDS, _samples(corpora.clean)) | {"dirty": _samples(corpora.dirty)}
    return [
        outcome(share, b.name, planted.images[b.name], {kind: right[kind][b.name] for kind in KINDS}, samples)
        for b in benchmarks
    ]


def _corpora(run: RunFile, store: Store, planted: Planted, watch: Watch) -> Corpora:
    """Run the pipeline on the planted corpus: without the benchmarks, and with them, by the run's own settings."""
    runs = {}
    for kind, against in (("dirty", {}), ("clean", run.benchmarks)):
        runs[kind] = run.model_copy(
            update={
                "out": store.url("pretrain", "compare", planted.folder, kind),
                "urls": None,
                "shards": None,
                "corpus": SourceSettings(path=planted.corpus, format="webdataset"),
                "benchmarks": against,
                "signatures": run.signatures if against else run.signatures.model_copy(update={"embedding": "none"}),
                "recall": RecallSettings(copies=0),
                "duplicates": DuplicatesSettings(near=False),  # the copies of one image are to stay, all or none
            }
        )
        bring_up(runs[kind], Serial(), watch, replace=True)
    return Corpora(runs["dirty"], runs["clean"], _samples(runs["dirty"]) - _samples(runs["clean"]))


def _samples(run: RunFile) -> int:
    return int((Store(run.out).read_json("clean", "manifest.json") or {})["count"])


def _accuracy(corpora: Corpora, kind: str, seed: int, benchmarks: list[Benchmark], told: Told) -> dict[str, list[bool]]:
    """Which images of each benchmark a training of this kind and seed tells right; read back if it was made before."""
    run = corpora.clean if kind == "clean" else corpora.dirty
    chosen = thinned(_samples(run), corpora.dropped, seed) if kind == "random" else None
    return trained(run, f"{kind}-{seed}", {"seed": seed}, benchmarks, Training(chosen, corpora.dropped, told))


def thinned(samples: int, dropped: int, seed: int) -> Chosen:
    """Leave out `dropped` of so many samples, drawn at random by their place in the order of the shards."""
    keep = np.ones(samples, bool)
    keep[np.random.default_rng(seed).choice(samples, dropped, replace=False)] = False
    at = 0

    def choose(keys: list[str], drawn: NDArray[np.float64]) -> NDArray[np.bool_]:
        nonlocal at
        del drawn
        at += len(keys)
        return keep[at - len(keys) : at]

    return choose


class Training(NamedTuple):
    """Which samples a training takes, `mark` telling this choice from others, and who watches it."""

    chosen: Chosen | None
    mark: Any
    watch: Callable[[Progress], None]


def trained(
    run: RunFile, name: str, changes: dict[str, Any], benchmarks: list[Benchmark], how: Training
) -> dict[str, list[bool]]:
    """Train once and look at the benchmarks: which images are told right. Kept in `RUN/trainings/NAME.json`."""
    settings = run.pretrain.model_copy(update={**changes, "workers": 1, "held_out": 0.0})
    store = Store(run.out)
    content = (store.read_json("clean", "manifest.json") or {})["content"]
    recipe = digest_of([settings.recipe(), content, how.mark, [b.digest for b in benchmarks]])
    said = store.read_json("trainings", f"{name}.json")
    if said is not None and said["recipe"] == recipe:
        how.watch(Progress("pretrain", settings.steps, settings.steps, 0, 0.0, ended=True, note="made before"))
        return dict(said["right"])
    opened = ready(run.model_copy(update={"pretrain": settings}), store, ALONE, how.chosen or _everything)
    train(opened.state, opened.goal, opened.batches, settings, Place(device_of(settings)), how.watch)
    right = {b.name: _right(opened, b).tolist() for b in benchmarks}
    store.write_json(
        {"recipe": recipe, "right": right, "losses": opened.state.curve.losses}, "trainings", f"{name}.json"
    )
    return right


def first(subset: float) -> Chosen:
    """A share of the samples, drawn by their content: a smaller share is part of a larger one."""

    def choose(keys: list[str], drawn: NDArray[np.float64]) -> NDArray[np.bool_]:
        del keys
        return np.asarray(drawn < subset)

    return choose


def _everything(keys: list[str], drawn: NDArray[np.float64]) -> NDArray[np.bool_]:
    del drawn
    return np.ones(len(keys), bool)


def _right(opened: Opened, benchmark: Benchmark) -> NDArray[np.bool_]:
    """Which images go to their own class: by the nearest caption, or by the head. A class it never met counts wrong."""
    net, settings = opened.state.kept, opened.batches.settings
    if settings.captions:
        classes = sorted(set(benchmark.labels))
        said = [classes[at] for at in classify(net, opened.goal, classes, benchmark.pixels)]
    else:
        said = [opened.data.classes[at] for at in planting.scores(net, benchmark.pixels).argmax(axis=1)]
    return np.array([a == b for a, b in zip(said, benchmark.labels, strict=True)], bool)


def _scales(run: RunFile, store: Store, benchmarks: list[Benchmark], told: Told) -> tuple[Scale, ...]:
    """The second curve: accuracy of each model on each share of the clean samples, over the seeds."""
    given = run.pretrain.compare
    found = []
    for model in given.models:
        for subset in given.subsets:
            right = []
            for seed in range(given.seeds):
                changes = {"seed": seed, "model": model}
                how = Training(first(subset), subset, told)
                right.append(trained(run, f"{model}-{subset:g}-{seed}", changes, benchmarks, how))
            for b in benchmarks:
                found.append(Scale.of(model, subset, b.name, [float(np.mean(one[b.name])) for one in right]))
    return tuple(found)
