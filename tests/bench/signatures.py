"""`signatures` against a bare decode: rates on one core, as a ratio from alternating runs over the same bytes.

The pictures are scikit-image's photographs (in its wheel), resized and saved as JPEG of web size: longer side 320 to
640 px, quality 75 to 92; 400 of them, three times over, are a shard.
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
from curate.ops import tars
from curate.sources import SourceSettings
from curate.stages.signatures import SignaturesSettings, Signer
from curate.store import MadeFrom, Store

PICTURES, COUNT, ROUNDS = 400, 1200, 15


def main() -> None:
    """Print images/s of the whole stage and of the bare decode, both on the same one core, and their ratio."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):  # simplejpeg has one thread: hold both to one
            _compare()
    finally:
        os.sched_setaffinity(0, cores)


def _compare() -> None:
    # copies with memory of their own, as in the tar: the processor's cache must not hold them for one side only
    jpegs = [bytes(bytearray(jpeg)) for jpeg in photographs(PICTURES) * (COUNT // PICTURES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "00000.tar"
        with path.open("wb") as file:
            for i, jpeg in enumerate(jpegs):
                tars.write(file, f"{i:05d}.jpg", jpeg)
                tars.write(file, f"{i:05d}.txt", b"a photograph")
            file.write(tars.END)
        (shard,) = sources.find(SourceSettings(path=str(path)))
        sign, data = Signer(SignaturesSettings(embedding="none")), Store(folder).dataset("signatures")

        def stage() -> None:
            data.write("00000", sign("00000", sources.read(shard)), MadeFrom("signatures", 1, {}, ""))

        def bare() -> None:
            for jpeg in jpegs:
                simplejpeg.decode_jpeg(jpeg, "RGB")

        rows = [(_seconds(stage), _seconds(bare)) for _ in range(ROUNDS)]
    ours, theirs = (COUNT / statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(b / a for a, b in rows)
    size = statistics.mean(len(jpeg) for jpeg in jpegs) / 1024
    print(f"a shard of {COUNT} JPEG of {size:.0f} kB; tar read and Parquet written")
    print(f"signatures, no embedding   {ours:7,.0f} images/s a core")
    print(f"bare simplejpeg RGB        {theirs:7,.0f} images/s a core")
    print(f"ratio                      {ratio:7.2f}   (to hold: 0.80)")


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


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
