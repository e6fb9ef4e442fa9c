"""A corpus with known contamination: a run's clean samples, and edited copies of some of its benchmarks' images."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from curate import sources
from curate.ops import images, tars
from curate.ops.edits import copy
from curate.ops.images import Fault
from curate.pretrain.data import square
from curate.runfile import RunFile
from curate.store import Store, digest_of

_EDITED = ("JPEG q10", "resize 50 %", "squash to square", "saturation 2", "text overlay", "mirror", "crop to 90 %")
"""What happens to the copies: edits that leave the picture to be recognised."""
_SEED = 0
_LONGEST = 640
"""Originals are shrunk to this long side before they are edited, px."""
_BATCH = 256


class Benchmark(NamedTuple):
    """The labelled images of a benchmark that can be read: bytes, labels, and pixels (N, S, S, 3) uint8."""

    name: str
    data: list[bytes]
    labels: list[str]
    pixels: NDArray[np.uint8]

    @property
    def digest(self) -> str:
        """Of all images and labels, in their order."""
        whole = hashlib.sha256("\0".join(self.labels).encode())
        for data in self.data:
            whole.update(hashlib.sha256(data).digest())
        return whole.hexdigest()


class Planted(NamedTuple):
    """A planted corpus: its folder, its path, and by benchmark which images have copies in it, (N,) bool."""

    folder: str
    corpus: str
    images: dict[str, NDArray[np.bool_]]


def read(run: RunFile) -> list[Benchmark]:
    """The benchmarks of a run that have labels."""
    found = []
    for name, where in sorted(run.benchmarks.items()):
        seen = [
            (sample.image or b"", sample.label, pixels)
            for shard in sources.find(where)
            for sample in sources.read(shard)
            if sample.label is not None
            and (pixels := square(sample.image or b"", run.pretrain.image_size, run.signatures.max_pixels)) is not None
        ]
        if seen:
            data, labels, squares = zip(*seen, strict=True)
            found.append(Benchmark(name, list(data), list(labels), np.stack(squares)))
    return found


def plant(run: RunFile, store: Store, benchmarks: list[Benchmark], share: float, folder: str) -> Planted:
    """Write the copies of a `share` of every benchmark's images, drawn at random, as one more shard; once."""
    rng = np.random.default_rng([_SEED, round(share * 1e6)])
    counts = {b.name: len(b.labels) for b in benchmarks}
    chosen = {
        name: np.isin(np.arange(count), rng.choice(count, round(share * count), replace=False))
        for name, count in counts.items()
    }
    planted = Planted(folder, f"{store.url()}/{{clean/*,pretrain/compare/{folder}/planted}}.tar", chosen)
    there = ("pretrain", "compare", folder)
    given = [share, run.pretrain.compare.copies, run.pretrain.label_field, [b.digest for b in benchmarks]]
    made_from = {"recipe": digest_of(given)}
    if store.read_json(*there, "planted.json") == made_from:  # written again, it would look changed to the pipeline
        return planted
    with store.draft(store.path(*there, "planted.tar")) as draft:
        for benchmark in benchmarks:
            for at in np.flatnonzero(chosen[benchmark.name]).tolist():
                _copies(run, draft, benchmark, at, rng)
        draft.write(tars.END)
    store.write_json(made_from, *there, "planted.json")
    return planted


def _copies(run: RunFile, file: tars.Sink, benchmark: Benchmark, at: int, rng: np.random.Generator) -> None:
    """Write the copies of one image, each edited otherwise, with its label as caption and as label."""
    data, label, field = benchmark.data[at], benchmark.labels[at], run.pretrain.label_field
    header = images.probe(data)
    picture = header if isinstance(header, Fault) else images.decode(data, header, _LONGEST, colour=True)
    if isinstance(picture, Fault):
        return
    edits = rng.permutation(_EDITED)
    for number, edit in enumerate(edits[: run.pretrain.compare.copies].tolist()):
        key = f"planted-{benchmark.name}-{at:06d}-{number}"
        tars.write(file, f"{key}.jpg", copy(edit, picture.pixels, picture.pixels, rng))
        tars.write(file, f"{key}.txt", f"a photo of a {label}".encode())
        tars.write(file, f"{key}.cls", label.encode())
        tars.write(file, f"{key}.json", json.dumps({} if field == "cls" else {field: label}).encode())


def scores(net: nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scores of a net with a head: (N, S, S, 3) uint8 -> (N, C) float32."""
    net.eval()
    device = net.vit.pos_embed.device
    with torch.inference_mode():
        return np.concatenate([net(part.to(device)).cpu().numpy() for part in torch.from_numpy(pixels).split(_BATCH)])
