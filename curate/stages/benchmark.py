"""The benchmarks as `contamination` holds them: views in indexes, previews made ready for alignment when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.ops.columns import present, vectors
from curate.ops.evidence import Both, Portraits
from curate.ops.local import WIDTH, Codes, shared
from curate.ops.search import CosineIndex, HammingIndex
from curate.ops.views import Box


class Hashed(NamedTuple):
    """The views that have a hash: their rows among all views, (R,), and the search among them."""

    rows: NDArray[np.int64]
    search: HammingIndex


class Embedded(NamedTuple):
    """The views of one benchmark that have an embedding: their rows among all views, their images, (R,); the search."""

    rows: NDArray[np.int64]
    image: NDArray[np.int64]
    search: CosineIndex


class _Details:
    """Codes of the local features of images, as they are and mirrored, by number."""

    def __init__(self, stored: pa.ChunkedArray, rows: NDArray[np.int64]) -> None:
        """`rows`, (I, V), of each image's views in the column `details` of contract `views`; -1 for none."""
        taken = stored.take(pa.array(rows.ravel(), mask=rows.ravel() < 0)).combine_chunks().fill_null(b"")
        self._codes = np.frombuffer(b"".join(taken.to_pylist()), np.uint8).reshape(-1, WIDTH)
        self._count = pc.binary_length(taken).to_numpy().astype(np.int64).reshape(rows.shape).sum(axis=1) // WIDTH
        self._start = np.cumsum(self._count) - self._count

    def of(self, images: NDArray[np.int64]) -> tuple[Codes, NDArray[np.int64]]:
        """Codes of several images, one after another, (M, 16), and how many are of each, (S,)."""
        start, count = self._start[images], self._count[images]
        each = zip(start.tolist(), (start + count).tolist(), strict=True)
        return np.concatenate([self._codes[:0], *(self._codes[one:end] for one, end in each)]), count


class Benchmark:
    """The views of all benchmarks, of contract `views`; a view is known by its row, an image by its number."""

    def __init__(self, views: pa.Table, engine: str = "auto") -> None:
        self.names: list[dict[str, str]] = []
        self.image: list[int] = []
        self._views = views["view"].to_pylist()
        self.by_bytes: dict[bytes, list[int]] = {}
        for row in self._numbered(views):
            digest = views["sha256"][row].as_py()
            if digest is not None:
                self.by_bytes.setdefault(digest, []).append(row)
        rows, hashes = present(views["hash256"])
        self.hashes = Hashed(rows, HammingIndex(hashes, engine))
        upright = np.array([self._views[row] == "whole" for row in rows.tolist()], bool)
        self.upright = Hashed(rows[upright], HammingIndex(hashes[upright], engine))
        self.embeddings = list(self._embedded(views["embedding"], engine))
        self._boxes = np.stack([views[name].to_numpy() for name in ("left", "top", "across", "down")], axis=1)
        self._rows = {(self.image[row], view): row for row, view in enumerate(self._views)}
        kept, thumbnails = present(views["thumbnail"])
        self._thumbnails: dict[int, NDArray[np.uint8]] = dict(zip(kept.tolist(), thumbnails, strict=True))
        self._previews = views["preview"]
        both = [self._rows_of(view) for view in ("whole", "whole+mirror")]
        self._details = _Details(views["details"], np.stack(both, axis=1))
        self._portraits = Portraits(self.preview)

    def _embedded(self, embeddings: pa.ChunkedArray, engine: str) -> Iterator[Embedded]:
        """One index a benchmark, so that what is found of one does not depend on which others are searched."""
        rows, found = vectors(embeddings)
        image = np.array(self.image, np.int64)[rows]
        names = np.array([self.names[number]["benchmark"] for number in image.tolist()])
        for name in sorted(set(names.tolist())):
            its = np.flatnonzero(names == name)
            yield Embedded(rows[its], image[its], CosineIndex(found[its], engine))

    def _numbered(self, views: pa.Table) -> list[int]:
        """Number the images, in `self.image` by view, in `self.names` by image; the first row of each."""
        seen: dict[tuple[str, ...], int] = {}
        first = []
        columns = ("benchmark", "shard", "key")
        for row, name in enumerate(zip(*(views[column].to_pylist() for column in columns), strict=True)):
            if name not in seen:
                seen[name] = len(seen)
                first.append(row)
                self.names.append(dict(zip(columns, name, strict=True)))
            self.image.append(seen[name])
        return first

    def view(self, row: int) -> tuple[str, str]:
        """Region and turn of a view: `whole+mirror` -> `whole`, `+mirror`."""
        region, plus, turn = self._views[row].partition("+")
        return region, plus + turn

    def box(self, row: int) -> Box:
        """Which part of the image a view shows."""
        return Box(*self._boxes[row].tolist())

    def thumbnail(self, row: int) -> NDArray[np.uint8]:
        """The upright thumbnail of a hashed view's region: (1024,) uint8."""
        region, _ = self.view(row)
        return self._thumbnails[self._rows[self.image[row], region]]

    def preview(self, image: int) -> bytes | None:
        """The stored preview of an image."""
        data: bytes | None = self._previews[self._rows[image, "whole"]].as_py()
        return data

    def shared_details(self, mine: Codes, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """How many details of a picture images have, as they are or mirrored, and how many votes: -> (2, S), 0 to K.

        Of codes (K, 16) and images (S,).
        """
        return shared(mine, *self._details.of(images))

    def _rows_of(self, view: str) -> NDArray[np.int64]:
        """The row of this view of each image, -1 where it has none: (images,)."""
        return np.array([self._rows.get((image, view), -1) for image in range(len(self.names))], np.int64)

    def whole(self, row: int) -> int:
        """The view of the whole image, upright, of which another view is given."""
        return self._rows[self.image[row], "whole"]

    def portraits(self, image: int) -> Both | None:
        """An image ready for alignment, as it is and mirrored; None if it has no preview."""
        return self._portraits(image)
