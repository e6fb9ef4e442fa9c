"""The peers: what each makes of a picture, how two of them are compared, and the threshold its authors recommend."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import imagehash
import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

from tests.bench.detection import models
from tests.bench.detection.models import Describe, Floats

_KEPT_TOGETHER = 100


class Peer(NamedTuple):
    """A way to describe pictures, as numbers whose products are scores: higher means more alike."""

    name: str
    describe: Describe
    threshold: float
    """Pairs of this score or more are called copies."""


def all_of_them(folder: Path) -> list[Peer]:
    """The peers that can be had here; a line says which cannot. Networks and vectors are kept in `folder`.

    The thresholds: pHash <= 8 of 64 bits and PDQ <= 31 of 256 are what their users and authors advise (PDQ: Meta's
    ThreatExchange); pHash <= 51 of 256 is a fifth of the bits; cosine .9 is the default of imagededup and fastdup for
    embeddings of networks trained on ImageNet; .75 is SSCD's README.
    """
    found = [
        Peer("pHash64 <= 8", partial(_phash, 8), _nearness(64, 8)),
        Peer("pHash256 <= 51", partial(_phash, 16), _nearness(256, 51)),
        Peer("PDQ <= 31", _pdq, _nearness(256, 31)),
    ]
    networks = (("Lite0 >= .9", models.lite0, 0.9), ("SSCD > .75", partial(models.sscd, folder / "wheels"), 0.75))
    for name, load, threshold in networks:
        try:
            found.append(Peer(name, load(), threshold))
        except models.Unavailable as missing:
            print(f"left out: {name}: {missing}")
    return [peer._replace(describe=partial(_kept, folder / "vectors", peer)) for peer in found]


def _nearness(bits: int, distance: int) -> float:
    """The product of two unit vectors of +-1 that differ in `distance` of `bits`, a little less for rounding."""
    return 1 - 2 * distance / bits - 1e-4


def _signs(bits: list[NDArray[np.bool_]]) -> Floats:
    """Hashes as unit vectors: (N, D) bool -> (N, D) float32 of +-1 / sqrt(D), whose products fall as bits differ."""
    flat = np.stack(bits).reshape(len(bits), -1)
    signs: Floats = ((flat * 2.0 - 1) / np.sqrt(flat.shape[1])).astype(np.float32)
    return signs


def _phash(side: int, jpegs: Sequence[bytes]) -> Floats:
    return _signs([imagehash.phash(Image.open(io.BytesIO(jpeg)), hash_size=side).hash for jpeg in jpegs])


def _pdq(jpegs: Sequence[bytes]) -> Floats:
    seen = (np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs)
    return _signs([pdqhash.compute(pixels)[0].astype(bool) for pixels in seen])


def _kept(folder: Path, peer: Peer, jpegs: Sequence[bytes]) -> Floats:
    """What the peer makes of pictures, kept by what they are: a run that was ended, or asked for fewer, is not lost."""
    parts = [jpegs[start : start + _KEPT_TOGETHER] for start in range(0, len(jpegs), _KEPT_TOGETHER)]
    return np.concatenate([_part(folder, peer, part) for part in parts])


def _part(folder: Path, peer: Peer, jpegs: Sequence[bytes]) -> Floats:
    digest = hashlib.sha256(peer.name.encode())
    for jpeg in jpegs:
        digest.update(hashlib.sha256(jpeg).digest())
    path = folder / f"{digest.hexdigest()[:32]}.npy"
    if path.exists():
        return np.load(path)  # type: ignore[no-any-return]
    made = peer.describe(jpegs)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(path, made)
    return made
