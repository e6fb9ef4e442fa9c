"""`curate probe`: a trained net on benchmarks it was not given when it was trained."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table

from curate.errors import ConfigError
from curate.pretrain import checkpoint, finetune, zeroshot
from curate.pretrain.checkpoint import Checkpoint, frozen
from curate.pretrain.model import resize
from curate.pretrain.probe import labelled, probes, raw_pixels, see
from curate.pretrain.result import Probe, add_probes
from curate.pretrain.settings import PretrainSettings
from curate.sources import SourceSettings
from curate.stages.signatures import SignaturesSettings


class Asked(NamedTuple):
    """What is to be probed: benchmarks as NAME=PATH, by which methods, at which side in px if another."""

    checkpoint: str
    benchmarks: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: int
    finetune_steps: int
    image_size: int | None


def probe(asked: Asked) -> Table:
    """Probe a checkpoint on every benchmark -> the results for the terminal; ConfigError, SourceError."""
    opened = _opened(asked)
    done: list[Probe] = []
    not_probed: dict[str, str] = {}
    for given in asked.benchmarks:
        name, equals, path = given.partition("=")
        if not (name and equals and path):
            raise ConfigError("curate probe", [f"--benchmark wants NAME=PATH, not {given!r}"])
        found, why_not = of_benchmark(opened, name, SourceSettings(path=path), SignaturesSettings().max_pixels)
        done += found
        not_probed |= {name: why_not} if why_not else {}
    table = Table(title=asked.checkpoint, title_justify="left", show_header=False)
    add_probes(table, tuple(done), not_probed)
    return table


def of_benchmark(
    opened: Checkpoint, name: str, where: SourceSettings, max_pixels: int
) -> tuple[list[Probe], str | None]:
    """All probes of one benchmark, and why there are none; the benchmark is read once for each kind of probe."""
    settings = opened.settings
    nets = {"raw pixels": raw_pixels, "untrained": frozen(opened.before), "trained": frozen(opened.net.vit)}
    seen = see(labelled(where, settings.image_size, max_pixels), nets)
    found, why_not = probes(name, seen, settings)
    if seen.labels and settings.captions:
        found.append(zeroshot.probe(name, opened, labelled(where, settings.image_size, max_pixels)))
    if seen.labels and settings.finetune_steps:
        found += finetune.probe(name, opened, labelled(where, settings.image_size, max_pixels))
    return found, None if found else why_not


def _opened(asked: Asked) -> Checkpoint:
    """The checkpoint, made ready for the side in px that is asked for."""
    opened = checkpoint.read(asked.checkpoint)
    changes = {"shots": asked.shots, "probe_seeds": asked.seeds, "finetune_steps": asked.finetune_steps}
    side = asked.image_size or opened.settings.image_size
    settings = PretrainSettings.model_validate({**opened.settings.model_dump(), **changes, "image_size": side})
    for net in (opened.before, opened.net.vit):
        resize(net, side)
    return opened._replace(settings=settings)
