"""`curate overlap RUN --predictions FILE`: compare, show, and write overlap.csv, .json, .tex and .png."""

from __future__ import annotations

from rich.console import Console

from curate.errors import CurateError
from curate.overlap import plot, show
from curate.overlap.comparison import corrected
from curate.overlap.joined import join
from curate.overlap.predictions import read
from curate.runfile import RunFile
from curate.store import Store


def overlap(console: Console, opened: tuple[RunFile, Store], url: str, only: str | None, out: str | None) -> None:
    """Compare the benchmarks of a run by the predictions at `url`; files go to `out`, else to RUN/overlap."""
    run, store = opened
    found, notes = join(url, read(url), run, store, only)
    found = corrected(found)
    console.print(show.table(found))
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    there = Store(out or store.url("overlap"))
    drawn = plot.png(found)
    try:
        there.write_bytes(show.as_csv(found), "overlap.csv")
        there.write_bytes(show.as_latex(found), "overlap.tex")
        there.write_json(show.as_json(found, notes), "overlap.json")
        if drawn:
            there.write_bytes(drawn, "overlap.png")
    except OSError as error:
        raise CurateError(f"{there.root}: cannot be written: {error.strerror or error}") from None
    console.print(f"{there.path('overlap')}.csv, .tex, .json{', .png' if drawn else ''}", markup=False, soft_wrap=True)
