"""Lists of numbers by key that grow: an inverted index in arrays, asked and added to many keys at a time.

Each key has room for a power of two of numbers in one pool; a list that outgrows its room moves to the pool's end, so
the pool takes at most four times the numbers. A table tells of each key where its list begins and how long it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Lists = NDArray[np.int64]
"""Where lists stand: first place << 32 | length."""
_LENGTH = np.int64(2**32 - 1)
_FIRST_ROOM = 1024


class Postings:
    """Lists of int32 numbers by keys 0..`keys`-1."""

    def __init__(self, keys: int) -> None:
        self._lists: Lists = np.zeros(keys, np.int64)  # untouched pages take no memory
        self._pool, self._used = np.empty(_FIRST_ROOM, np.int32), 0

    def add(self, keys: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Append a number to the list of each key, (N,) and (N,); a key may stand there several times."""
        order = np.argsort(keys, kind="stable")
        key, more = np.unique(keys, return_counts=True)
        start, count = self._lists[key] >> 32, self._lists[key] & _LENGTH
        outgrown = (count == 0) | (count + more > _room(count))
        moved, old = count[outgrown], start[outgrown]
        start[outgrown] = self._reserve(_room((count + more)[outgrown]))
        self._pool[ranges(start[outgrown], moved)] = self._pool[ranges(old, moved)]
        self._pool[ranges(start + count, more)] = numbers[order]
        self._lists[key] = start << 32 | count + more

    def _reserve(self, rooms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where so much room begins."""
        ends = self._used + np.cumsum(rooms)
        self._used = int(ends[-1]) if len(ends) else self._used
        if self._used > len(self._pool):
            pool = np.empty(2 * self._used, np.int32)
            pool[: len(self._pool)] = self._pool
            self._pool = pool
        return ends - rooms

    def lists(self, keys: NDArray[np.int64]) -> Lists:
        """The lists of keys, of any shape; to be used before more is added."""
        found: Lists = self._lists[keys]
        return found

    def numbers(self, lists: Lists) -> NDArray[np.int32]:
        """What stands in lists, (L,), one after the other."""
        return self._pool[ranges(lists >> 32, lengths(lists))]


def lengths(lists: Lists) -> NDArray[np.int64]:
    """How many numbers stand in each list."""
    return lists & _LENGTH


def _room(count: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least power of two that is not less."""
    return np.int64(1) << np.frexp(np.maximum(count - 1, 0))[1].astype(np.int64)


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers start, start + 1, ... of each range, one after the other."""
    return np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
