"""The other engine: img2dataset does the fetching."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from curate.fetch.scheduler import Fetched
from curate.fetch.settings import FetchSettings


def fetch(urls: Sequence[str], settings: FetchSettings) -> Iterator[Fetched]:
    """To come."""
    raise NotImplementedError
