"""`signatures` against the least it must do: rates on one core, as ratios from alternating runs over the same bytes.

Without an embedding that is a bare decode; with the detector, its bare inference on pixels that are ready. The pictures
are scikit-image's photographs (in its wheel), resized and saved as JPEG of web size: longer side 320 to 640 px, quality
75 to 92; 400 of them, three times over, are a shard.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from threadpoolctl import threadpool_limits

from curate import sources
from curate.demo.photos import cuts
from curate.detector.embed import open_detector
from curate.ops import tars
from curate.sources import SourceSettings
from curate.stages.signatures import SignaturesSettings, Signer
from curate.store import MadeFrom, Store

PICTURES, TIMES, ROUNDS = 400, 3, 15

Work = Callable[[], object]


def main() -> None:
    """Print images/s of the whole stage and of what it is held against, both on the same one core, and their ratio."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    cv2.setNumThreads(1)
    try:
        with (
            threadpool_limits(1),
            tempfile.TemporaryDirectory() as folder,
        ):  # simplejpeg has one thread: hold all to one
            _compare(Path(folder))
    finally:
        os.sched_setaffinity(0, cores)


def _compare(folder: Path) -> None:
    # copies with memory of their own, as in the tar: the processor's cache must not hold them for one side only
    jpegs = [bytes(bytearray(jpeg)) for jpeg in photographs(PICTURES) * TIMES]
    size = statistics.mean(len(jpeg) for jpeg in jpegs) / 1024
    print(f"a shard of {len(jpegs)} JPEG of {size:.0f} kB; tar read and Parquet written")
    hashes = _stage(folder / "long.tar", jpegs, "none")
    _report(len(jpegs), ("no embedding", hashes), ("bare simplejpeg RGB", _decode(jpegs)))
    some = jpegs[:PICTURES]
    detector = _stage(folder / "short.tar", some, "detector")
    _report(len(some), ("with the detector", detector), ("bare detector", _infer(some)))


def _stage(path: Path, jpegs: list[bytes], embedding: str) -> Work:
    """The whole stage over a shard of these images."""
    with path.open("wb") as file:
        for i, jpeg in enumerate(jpegs):
            tars.write(file, f"{i:05d}.jpg", jpeg)
            tars.write(file, f"{i:05d}.txt", b"a photograph")
        file.write(tars.END)
    (shard,) = sources.find(SourceSettings(path=str(path)))
    sign = Signer(SignaturesSettings(embedding=embedding, device="cpu"))
    data = Store(str(path.parent)).dataset("signatures")
    return lambda: data.write("00000", sign("00000", sources.read(shard)), MadeFrom("signatures", 1, {}, ""))


def _decode(jpegs: list[bytes]) -> Work:
    def bare() -> None:
        for jpeg in jpegs:
            simplejpeg.decode_jpeg(jpeg, "RGB")

    return bare


def _infer(jpegs: list[bytes]) -> Work:
    run = open_detector("cpu")
    ready = [run.prepare(simplejpeg.decode_jpeg(jpeg)) for jpeg in jpegs]

    def bare() -> None:
        run(ready)

    return bare


def _report(count: int, ours: tuple[str, Work], theirs: tuple[str, Work]) -> None:
    """Print both rates and the median ratio of alternating runs."""
    for _, work in (ours, theirs):
        work()  # what is done once a process, and then never again
    rows = [(_seconds(ours[1]), _seconds(theirs[1])) for _ in range(ROUNDS)]
    for (name, _), column in zip((ours, theirs), zip(*rows, strict=True), strict=True):
        print(f"{name:26s} {count / statistics.median(column):7,.0f} images/s a core")
    print(f"ratio                      {statistics.median(b / a for a, b in rows):7.3f}   (to hold: 0.80)")


def photographs(count: int) -> list[bytes]:
    """JPEGs of web size, the same bytes each time."""
    rng = np.random.default_rng(0)
    photos = [drawn.image for use in ("benchmark", "corpus", "tile") for drawn in cuts(use)]
    made = []
    for i in range(count):
        photo = photos[i % len(photos)]
        long, short = int(rng.integers(320, 641)), float(rng.uniform(0.6, 1))
        sides = (long, int(long * short)) if rng.random() < 0.7 else (int(long * short), long)
        out = io.BytesIO()
        photo.resize(sides, Image.Resampling.BICUBIC).save(out, "JPEG", quality=int(rng.integers(75, 93)))
        made.append(out.getvalue())
    return made


def _seconds(work: Work) -> float:
    """Of processor time: other work on the machine must not count, and both sides have one thread."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
