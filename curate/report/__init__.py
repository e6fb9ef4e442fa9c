"""The report of a run: `report/index.html`, one page that needs nothing else, and its numbers, `summary.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.runfile import RunFile
    from curate.store import Store

__all__ = ["write_report"]


def write_report(run: RunFile, store: Store) -> str:
    """Write the page and its numbers into `RUN/report/`, give the page's path; CurateError when the run is not done.

    After a pretraining, writing it again adds the loss curve and the probes.
    """
    from curate.report.page import write  # here, so that `curate --help` loads no jinja2

    return write(run, store)
