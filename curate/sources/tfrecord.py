"""TFRecord files as TensorFlow Datasets writes them, one `image` an example; read without TensorFlow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

from curate.errors import SourceError
from curate.ops.images import Fault
from curate.sources.base import Keys, Sample, Shard, lose

_NAME = re.compile(r".*-(?P<split>\w+)\.tfrecord-(?P<number>\d+)-of-(?P<of>\d+)")
_HEAD, _FOOT = 12, 4
"""A record: 8 bytes that say its length, 4 of a checksum, the record, 4 of a checksum."""


def counts(fs: Any, files: list[str]) -> list[int]:
    """How many examples each file of a split holds, by the `dataset_info.json` beside; SourceError if files lack."""
    named = _NAME.fullmatch(files[0].rpartition("/")[2])
    if named is None:
        raise SourceError(f"{files[0]}: not named as TFDS does, NAME-SPLIT.tfrecord-00000-of-00001")
    beside = files[0].rpartition("/")[0] + "/dataset_info.json"
    try:
        splits = {s["name"]: s for s in json.loads(fs.cat_file(beside))["splits"]}
        lengths = [int(length) for length in splits[named["split"]]["shardLengths"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{beside}: it should say how long `{named['split']}` is: {error!r}") from None
    if len(lengths) != len(files):
        raise SourceError(f"{files[0]}: {len(files)} of the split's {len(lengths)} files are here; fetch the others")
    return lengths


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """One sample an example, in the file's order; key: its number in the split. A broken tail is one lost sample."""
    keys, first = Keys(), shard.first
    with fs.open(shard.files[0], "rb") as file:
        for number, record in enumerate(_records(file, max_bytes)):
            key = f"s{first + number:07d}"
            sample = Sample(key, fault=record) if isinstance(record, Fault) else _sample(key, record)
            yield keys.settle(sample)


def _records(file: BinaryIO, max_bytes: int) -> Iterator[bytes | Fault]:
    while head := file.read(_HEAD):
        size = int.from_bytes(head[:8], "little")
        if size > max_bytes:
            yield Fault("too_many_bytes", f"{size} bytes")
            file.seek(size + _FOOT, 1)
            continue
        record = file.read(size)
        if len(head) < _HEAD or len(record) < size or len(file.read(_FOOT)) < _FOOT:
            yield Fault("shard_broken", f"the file ends after {len(record)} of {size} bytes of a record")
            return
        yield record


def _sample(key: str, record: bytes) -> Sample:
    try:
        features = _example(record)
    except (IndexError, UnicodeDecodeError) as error:
        return Sample(key, fault=Fault("shard_broken", f"no tf.train.Example: {error}"))
    image, label = features.get("image"), features.get("label")
    sample = Sample(key, label=str(label) if isinstance(label, int) else None)
    if not isinstance(image, bytes):
        return lose(sample, Fault("missing_image", f"features: {', '.join(features)[:200]}"))
    return sample._replace(members=((_extension(image), image),))


def _extension(image: bytes) -> str:
    return "png" if image.startswith(b"\x89PNG") else "jpg"


def _example(record: bytes) -> dict[str, bytes | int]:
    """The first value of every feature of a tf.train.Example that is bytes or an integer."""
    features: dict[str, bytes | int] = {}
    for entry in _parts(record, 1, 1):
        name = next(_parts(entry, 1), b"").decode()
        for feature in _parts(entry, 2):
            values: Iterator[bytes | int] = chain(
                _parts(feature, 1, 1), (_varint(packed, 0)[0] for packed in _parts(feature, 3, 1))
            )
            for value in islice(values, 1):
                features[name] = value
    return features


def _parts(message: bytes, *path: int) -> Iterator[bytes]:
    """Fields of protobuf messages that are bytes or messages, by their numbers from the outside in."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, at = _varint(message, at)
            value = message[at : at + size]
            at += size
            if number == path[0]:
                yield from _parts(value, *path[1:]) if len(path) > 1 else (value,)
        elif kind == 0:
            _, at = _varint(message, at)
        else:
            at += 8 if kind == 1 else 4


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A whole number of protobuf, and where it ends; IndexError past the end."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
