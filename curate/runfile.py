"""The run file: one TOML that says everything a run does; its tables are the stages' settings, under their names."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from curate.benchmarks import BenchmarkSettings, placed
from curate.config import Settings, parse, read_toml
from curate.errors import ConfigError
from curate.pretrain.settings import PretrainSettings
from curate.report.settings import ReportSettings
from curate.review.settings import ReviewSettings
from curate.sources import SourceSettings
from curate.stages.clean import CleanSettings
from curate.stages.contamination import ContaminationSettings
from curate.stages.decisions import DecisionsSettings
from curate.stages.duplicates import DuplicatesSettings
from curate.stages.recall import RecallSettings
from curate.stages.shards import ShardsSettings
from curate.stages.signatures import SignaturesSettings
from curate.stages.urls import UrlsSettings


class RunFile(Settings):
    """A whole run: either `[urls]` and `[shards]` to download, or `[corpus]` to read shards where they lie."""

    out: str = Field(description="the run's directory, local or fsspec URL")
    audit: bool = Field(
        False, description="only what an audit needs: no duplicates are searched and no clean shards are emitted"
    )
    within: bool = Field(
        False, description="the corpus is the benchmarks' own train split, so that a match is called a leak"
    )
    prove: bool = Field(
        True,
        description="the clean shards are signed and searched again: nothing that shows a benchmark image is there",
    )
    urls: UrlsSettings | None = None
    shards: ShardsSettings | None = None
    corpus: SourceSettings | None = None
    benchmarks: dict[str, BenchmarkSettings] = Field(
        default_factory=dict, description="name -> where its images are; a known name or group needs no more than that"
    )
    signatures: SignaturesSettings = SignaturesSettings()
    contamination: ContaminationSettings = ContaminationSettings()
    recall: RecallSettings = RecallSettings()
    duplicates: DuplicatesSettings = DuplicatesSettings()
    decisions: DecisionsSettings = DecisionsSettings()
    clean: CleanSettings = CleanSettings()
    report: ReportSettings = ReportSettings()
    review: ReviewSettings = ReviewSettings()
    pretrain: PretrainSettings = PretrainSettings()

    @field_validator("benchmarks", mode="before")
    @classmethod
    def _placed(cls, named: Any) -> Any:
        return placed(named) if isinstance(named, dict) else named

    @field_validator("benchmarks")
    @classmethod
    def _plain_names(cls, named: dict[str, BenchmarkSettings]) -> dict[str, BenchmarkSettings]:
        odd = [name for name in named if not re.fullmatch(r"[A-Za-z0-9_-]+", name)]
        if odd:
            raise ValueError(f"names are made of letters, digits, - and _, not {odd[0]!r}")
        return named

    @model_validator(mode="after")
    def _one_way_in(self) -> RunFile:
        if (self.urls is None) == (self.corpus is None):
            raise ValueError("want [urls] (to download) or [corpus] (to read shards where they lie), one of the two")
        odd = [name for name in self.contamination.thresholds if name not in self.benchmarks]
        if odd:
            raise ValueError(f"[contamination.thresholds.{odd[0]}] is of no benchmark of this run")
        if self.audit and not self.benchmarks:
            raise ValueError("an audit needs a benchmark: [benchmarks.NAME]")
        if self.urls is not None and self.shards is None:
            raise ValueError("[urls] needs [shards], at least its `contact`")
        if self.shards is not None and self.urls is None:
            raise ValueError("[shards] downloads the [urls], and there are none")
        return self


def load(path: str) -> RunFile:
    """Read and check a run file, and take the thresholds of its calibration; ConfigError names every fault in it."""
    return calibrated(read(path))


def read(path: str) -> RunFile:
    """Read and check a run file as it stands; ConfigError names every fault in it."""
    return parse(RunFile, read_toml(path), path)


def calibrated(run: RunFile) -> RunFile:
    """The run with the thresholds of the calibration it names, if any; those that stand in the run file go first.

    So the resolved settings, and with them recipes and manifests, hold what the calibration said.
    """
    matching = run.contamination
    if matching.calibration is None or not run.benchmarks:
        return run
    from curate.calibrate.files import calibrated as thresholds  # here, since few runs have one

    found = thresholds(matching.calibration, run.signatures, matching, run.benchmarks)
    settled = matching.model_copy(update={"thresholds": {**found, **matching.thresholds}})
    return run.model_copy(update={"contamination": settled})


def from_json(values: dict[str, Any], where: str) -> RunFile:
    """Check the resolved settings that a run directory holds."""
    try:
        return parse(RunFile, values, where)
    except ConfigError as error:
        raise ConfigError(where, [*error.faults, "written by another version of curate"]) from None
