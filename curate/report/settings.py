"""Settings of the report."""

from __future__ import annotations

from pydantic import Field

from curate.config import Settings


class ReportSettings(Settings):
    """What the report shows."""

    pairs: int = Field(
        200, ge=0, description="pairs shown of the matches, shared by the benchmarks, and as many duplicates"
    )
    shards_read: int = Field(
        64,
        ge=0,
        description="shards read again for colour; beyond these the stored grey previews are shown",
    )
