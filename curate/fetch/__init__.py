"""Fetch untrusted URLs safely: addresses checked, sizes and times capped, servers' wishes honoured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from curate.fetch.scheduler import Fetched, Fetcher
from curate.fetch.settings import FetchSettings

__all__ = ["FetchSettings", "Fetched", "fetch"]


def fetch(urls: Sequence[str], settings: FetchSettings) -> Iterator[Fetched]:
    """Fetch URLs: yields each index exactly once, in the order of completion.

    Only http and https, only addresses that are public or in `allow_networks` (the address connected to is what is
    checked, at every hop), never through a proxy: those of the environment are ignored, since one would connect for us.
    Bodies are as sent (no Content-Encoding is asked for or undone).

    It ends at the latest `max_seconds` after the start, whatever servers and name servers do, plus what the caller
    takes between two items: what is unfinished then gets its last reason, or `timeout`. One attempt takes `timeout` at
    most (twice that where `max_buffered_bytes` was short and a body had to be begun anew); a URL takes `retries` + 1.
    Bodies in memory never pass `max_buffered_bytes` in sum; while the caller does not ask, nothing is read.
    """
    return Fetcher(urls, settings).run()
