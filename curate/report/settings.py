"""Settings of the report."""

from __future__ import annotations

from pydantic import Field

from curate.config import Settings


class ReportSettings(Settings):
    """What the report shows."""

    pairs: int = Field(
        10_000, ge=0, description="matches shown, shared by the benchmarks; about 10 kB each in the folder of the page"
    )
    duplicates: int = Field(1_000, ge=0, description="duplicates shown, beside their keepers")
    shards_read: int = Field(
        64,
        ge=0,
        description="shards read again for colour; beyond these the stored grey previews are shown",
    )
