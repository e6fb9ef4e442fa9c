"""Duplicates beside the peers: 400 photographs, 200 edited copies of them, on the same bytes, in one run.

    python -m tests.bench.dedup_peers PICTURES      PICTURES: the folder of the tars named in tests/bench/detection

Peers are installed without what they depend on, into a folder of the bench: imagededup (pHash <= 10, its default; and
its CNN at its default cosine of .9, with EfficientNet-Lite0's vectors: its own network's weights are in no package) and
cleanvision. SemDeDup is its rule, written out here: in each k-means cell of our descriptors a sample goes where any
earlier one's cosine is over 1 - eps, whether that one stays or not.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from curate.ops.columns import vectors
from curate.ops.partition import centres, whole
from curate.sources import Sample
from curate.stages.duplicates import DuplicatesSettings, find
from curate.stages.signatures import SignaturesSettings, Signer
from tests.bench.detection import models
from tests.bench.detection.end_to_end import EDITS, plant
from tests.bench.detection.pictures import load

IMAGEDEDUP = ("imagededup==0.3.3.post2",)
CLEANVISION = ("cleanvision==0.3.7", "tabulate==0.10.0")
EPS = (0.1, 0.25)

Pair = frozenset[str]
T = TypeVar("T")


class Corpus(NamedTuple):
    """JPEG bytes by key; of the copies among them, key -> key of the original, and key -> edit."""

    jpegs: Mapping[str, bytes]
    original: Mapping[str, str]
    edit: Mapping[str, str]

    def root(self, key: str) -> str:
        """The picture that a sample shows."""
        return self.original.get(key, key)


class Outcome(NamedTuple):
    """What a tool made of a corpus: the pairs that it takes for one picture, and what it drops."""

    near: set[Pair]
    dropped: set[str]


class Told(NamedTuple):
    """The table's numbers for one tool."""

    found: dict[str, int]
    """Copies taken for their original, of which one is dropped, by edit."""
    lost: int
    """Pictures of which no sample stays."""
    bereft: int
    """Dropped samples that the tool itself takes for no sample that stays."""
    dropped: int


def corpus(folder: Path) -> Corpus:
    """The photographs of the table, and copies of the first ones in a random order, 25 by each edit."""
    return Corpus(*plant(load(folder).originals))


def told(of: Corpus, outcome: Outcome) -> Told:
    """Count."""
    near: dict[str, set[str]] = {key: set() for key in of.jpegs}
    for a, b in map(sorted, outcome.near):
        near[a].add(b)
        near[b].add(a)
    found = dict.fromkeys(EDITS, 0)
    for copy, original in of.original.items():
        found[of.edit[copy]] += int(original in near[copy] and bool({copy, original} & outcome.dropped))
    stay = of.jpegs.keys() - outcome.dropped
    lost = {of.root(key) for key in of.jpegs} - {of.root(key) for key in stay}
    bereft = sum(not near[key] & stay for key in outcome.dropped)
    return Told(found, len(lost), bereft, len(outcome.dropped))


def sign(of: Corpus) -> pa.Table:
    """Signatures, as a run makes them."""
    return Signer(SignaturesSettings())("all", [Sample(key, (("jpg", data),)) for key, data in of.jpegs.items()])


def ours(signed: pa.Table) -> Outcome:
    """What `duplicates` drops, and for what."""
    rows = find(DuplicatesSettings(overlaid="drop"), signed).to_pylist()
    return Outcome({frozenset((row["key"], row["keeper_key"])) for row in rows}, {row["key"] for row in rows})


def semdedup(signed: pa.Table, eps: float) -> Outcome:
    """SemDeDup's rule on our descriptors; those farthest from the centre of their cell come first, as it advises."""
    at, given = vectors(signed["embedding"])
    units = given.astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    centre = centres(whole(units), round(len(units) ** 0.5)).astype(np.float32)
    alike = units @ (centre / np.linalg.norm(centre, axis=1, keepdims=True)).T
    cell, nearness = alike.argmax(axis=1), alike.max(axis=1)
    keys = np.array(signed["key"].to_pylist())[at]
    near, dropped = set(), set()
    for number in np.unique(cell).tolist():
        mine = np.flatnonzero(cell == number)
        mine = mine[np.argsort(nearness[mine], kind="stable")]
        later, earlier = np.nonzero(np.tril(units[mine] @ units[mine].T, -1) > 1 - eps)
        near |= {frozenset(pair) for pair in zip(keys[mine[later]], keys[mine[earlier]], strict=True)}
        dropped |= set(keys[mine[later]].tolist())
    return Outcome(near, dropped)


def imagededup(wheels: Path, find_in: Callable[[Any], Mapping[str, list[str]]]) -> Outcome:
    """What imagededup finds, and what its own `get_files_to_remove` drops of it."""
    target = models.installed(IMAGEDEDUP, wheels)
    near = find_in(_imported(target, "imagededup.methods"))
    dropped = _imported(target, "imagededup.utils.general_utils").get_files_to_remove(near)
    pairs = ((name, other) for name, others in near.items() for other in others)
    return Outcome({frozenset(map(_key, pair)) for pair in pairs}, set(map(_key, dropped)))


def phash(pictures: Path, wheels: Path) -> Outcome:
    """What imagededup makes of pHash at its default distance of 10 bits."""

    def find_in(methods: Any) -> Mapping[str, list[str]]:
        hashes = methods.PHash(verbose=False)
        codes = hashes.encode_images(str(pictures), num_enc_workers=0)
        found: dict[str, list[str]] = hashes.find_duplicates(encoding_map=codes, num_dist_workers=0)
        return found

    return imagededup(wheels, find_in)


def cnn(of: Corpus, wheels: Path) -> Outcome:
    """What imagededup makes of a CNN at its default cosine of .9, of Lite0's vectors."""
    given = dict(zip((f"{key}.jpg" for key in of.jpegs), models.lite0()(list(of.jpegs.values())), strict=True))

    def find_in(methods: Any) -> Mapping[str, list[str]]:
        import torch

        config = _imported(wheels, "imagededup.utils").CustomModel(
            "lite0", torch.nn.Identity(), lambda picture: picture
        )
        found: dict[str, list[str]] = methods.CNN(verbose=False, model_config=config).find_duplicates(
            encoding_map=given, num_sim_workers=0
        )
        return found

    return imagededup(wheels, find_in)


def cleanvision(pictures: Path, wheels: Path) -> Outcome:
    """The exact and near duplicates of cleanvision; of each of its sets the first stays."""
    imagelab = _imported(models.installed(CLEANVISION, wheels), "cleanvision").Imagelab(data_path=str(pictures))
    kinds = ("exact_duplicates", "near_duplicates")
    imagelab.find_issues({kind: {} for kind in kinds}, n_jobs=1, verbose=False)
    sets = [sorted(map(_key, paths)) for kind in kinds for paths in imagelab.info[kind]["sets"]]
    pairs = {frozenset((a, b)) for keys in sets for a in keys for b in keys if a < b}
    return Outcome(pairs, {key for keys in sets for key in keys[1:]})


def _imported(folder: Path, name: str) -> Any:
    """A module of a peer, with what it depends on taken from here."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return importlib.import_module(name)


def _key(path: str) -> str:
    return Path(path).stem


def main() -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser("tests.bench.dedup_peers")
    parser.add_argument("pictures", type=Path)
    parser.add_argument(
        "--peers", type=Path, default=Path.home() / ".cache" / "curate-bench", help="folder of the peers"
    )
    asked = parser.parse_args()
    of, wheels = corpus(asked.pictures), asked.peers / "wheels"
    print(f"{len(of.jpegs) - len(of.original)} photographs, {len(of.original)} copies of them; on {_today()}\n")
    print(f"| tool | {' | '.join(EDITS)} | found of {len(of.original)} | pictures lost | no near keeper | CPU s |")
    print("|---|" + "---:|" * (len(EDITS) + 4))
    signed, signing = _timed(lambda: sign(of))
    _row(of, "curate", lambda: ours(signed), signing)
    for eps in EPS:
        _row(of, f"SemDeDup's rule, eps {eps}, our descriptors", partial(semdedup, signed, eps), signing)
    with tempfile.TemporaryDirectory() as folder:
        for key, jpeg in of.jpegs.items():
            (Path(folder) / f"{key}.jpg").write_bytes(jpeg)
        _row(of, "imagededup pHash <= 10", lambda: phash(Path(folder), wheels))
        _row(of, "imagededup CNN > .9, Lite0", lambda: cnn(of, wheels))
        _row(of, "cleanvision", lambda: cleanvision(Path(folder), wheels))


def _row(of: Corpus, name: str, work: Callable[[], Outcome], before: float = 0) -> None:
    """Print a tool's line; `before` are seconds that it took to be there."""
    try:
        outcome, seconds = _timed(work)
    except models.Unavailable as missing:
        print(f"left out: {name}: {missing}")
        return
    all_told = told(of, outcome)
    near_none = f"{all_told.bereft} of {all_told.dropped}"
    cells = [*all_told.found.values(), sum(all_told.found.values()), all_told.lost, near_none]
    print(f"| {name} | {' | '.join(map(str, cells))} | {before + seconds:.1f} |", flush=True)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What some work gives, and its seconds of CPU: what else runs on the machine does not count."""
    began = time.process_time()
    return work(), time.process_time() - began


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


if __name__ == "__main__":
    main()
