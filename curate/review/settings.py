"""Settings of the review."""

from __future__ import annotations

from pydantic import Field

from curate.config import Settings


class ReviewSettings(Settings):
    """Which matches are drawn to be judged, so that the audit's precision can be told."""

    sample: int = Field(200, ge=0, description="near matches drawn at random; byte-equal ones need no eyes")
    seed: int = Field(0, description="of the draw: the same seed and matches, the same pairs")
