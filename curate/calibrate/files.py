"""The file of a calibration, `NAME.json`: written by `curate calibrate`, read where a run file names it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

import fsspec
from pydantic import BaseModel, ValidationError

from curate.errors import ConfigError, SourceError
from curate.ops.embedding import content
from curate.stages import contamination, signatures, views
from curate.stages.contamination import ContaminationSettings, Thresholds
from curate.stages.proposals import Proposing
from curate.stages.signatures import SignaturesSettings

VERSION = 1


class Calibration(BaseModel):
    """What a run reads of a calibration; the curves in the file are for people."""

    version: Literal[1]
    benchmark: str
    thresholds: Thresholds
    made_with: dict[str, Any]
    at_most_per_million: float | None = None
    """How many of a million unrelated pairs pass, at most, with 95 % confidence."""


def made_with(signing: SignaturesSettings, matching: ContaminationSettings) -> dict[str, Any]:
    """All that the scores of a pair, and whether it is proposed, depend on; other values need another calibration."""
    weights = "" if signing.embedding == "none" else content(signing.embedding)
    return {
        "embedding": signing.embedding,
        "weights": weights,
        "min_contrast": signing.min_contrast,
        **{name: getattr(matching, name) for name in sorted(Proposing.model_fields)},
        "signatures version": signatures.VERSION,
        "views version": views.VERSION,
        "contamination version": contamination.VERSION,
    }


def calibrated(
    url: str, signing: SignaturesSettings, matching: ContaminationSettings, benchmarks: Collection[str]
) -> dict[str, Thresholds]:
    """The thresholds that a calibration, a folder of NAME.json or one such file, has for these benchmarks.

    ConfigError where it has none for any, is no calibration, or was made with other settings, code or weights.
    """
    wanted = made_with(signing, matching)
    found = {}
    for name, read in calibrations(url, benchmarks):
        odd = [
            f"`{key}` was {_shown(read.made_with.get(key))}, is {_shown(value)} in this run"
            for key, value in wanted.items()
            if read.made_with.get(key) != value
        ]
        if odd:
            raise ConfigError(name, [*odd, "its thresholds do not hold here: run `curate calibrate` again"])
        if read.benchmark in benchmarks:
            found[read.benchmark] = read.thresholds
    if not found:
        raise ConfigError(url, [f"no calibration of {', '.join(benchmarks)} here; make it with `curate calibrate`"])
    return found


def calibrations(url: str, benchmarks: Collection[str]) -> Iterator[tuple[str, Calibration]]:
    """The files there are for these benchmarks, each with its name; ConfigError where one is no calibration."""
    for name, data in _files(url, benchmarks):
        try:
            yield name, Calibration.model_validate_json(data)
        except ValidationError as error:
            raise ConfigError(name, [f"no calibration of this version of curate: {error.errors()[0]['msg']}"]) from None


def _files(url: str, benchmarks: Collection[str]) -> list[tuple[str, bytes]]:
    """Name and content of the files."""
    fs, path = fsspec.core.url_to_fs(url)
    names = [path] if path.endswith(".json") else [f"{path.rstrip('/')}/{name}.json" for name in sorted(benchmarks)]
    try:
        return [(name, fs.cat_file(name)) for name in names if fs.exists(name)]
    except OSError as error:
        raise SourceError(f"{url}: cannot be read: {error.strerror or error}") from None


def _shown(value: Any) -> str:
    """A value, digests shortened."""
    text = repr(value)
    return text if len(text) < 40 else f"{text[:9]}...'"
