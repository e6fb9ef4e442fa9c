"""The samples that `duplicates` gathers: those of earlier runs that are kept, and those of this run that may stay."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.partition import Cells
from curate.review import verdicts
from curate.runfile import RunFile
from curate.stages import cells, decisions
from curate.stages.duplicates import DuplicatesSettings
from curate.steps import earlier
from curate.steps.matches import Matches, deciding
from curate.store import Store, digest_of


class Source(NamedTuple):
    """A part of signatures: of an earlier run, by its name in `against`, or of this one (None)."""

    run: str | None
    part: str
    rows: int


def sources(run: RunFile, store: Store) -> list[Source]:
    """All parts, those of earlier runs first; a part is known by its number in this list."""
    runs = [*zip(run.duplicates.against, earlier.earlier(run), strict=True), (None, store)]
    parts = ((path, earlier.manifest(of, "signatures")["parts"]) for path, of in runs)
    return [Source(path, part, told["count"]) for path, of in parts for part, told in of.items()]


def of_run(run: str | None, store: Store) -> Store:
    """Where the parts of a source lie."""
    return store if run is None else Store(run)


def packed(sizes: Sequence[int], most: int) -> list[list[int]]:
    """Put neighbours together, `most` at the most in all or one alone: the numbers of those in each pack."""
    packs, room = list[list[int]](), 0
    for number, size in enumerate(sizes):
        if not packs or size > room:
            packs.append([])
            room = most
        packs[-1].append(number)
        room -= size
    return packs


def content(run: RunFile, store: Store) -> str:
    """The digest of all that is gathered."""
    names = ["signatures", "contamination", *(["cells"] if wants_cells(run) else [])]
    inputs = {name: {p: f.rows for p, f in store.dataset(name).footers().items()} for name in names}
    said = verdicts.overruled(store)
    return digest_of([inputs, earlier.content(run), *([said] if said else [])])


def repeating(run: RunFile) -> dict[str, object]:
    """The settings that decide what repeats what."""
    return {"duplicates": run.duplicates.recipe(), "decisions": deciding(run)}


def wants_cells(run: RunFile) -> bool:
    """Whether there are descriptors to be searched."""
    return run.duplicates.searches and run.signatures.embedding != "none"


def partition(run: RunFile, store: Store) -> Cells | None:
    """The cells of this run, if it has any."""
    centre = cells.centre_of(store.dataset("cells").read_all()) if wants_cells(run) else None
    return None if centre is None else Cells(centre, run.duplicates.probes)


def limits(run: RunFile, store: Store) -> DuplicatesSettings:
    """The settings of `duplicates`, with the cosine that was found where a share was asked for."""
    if run.duplicates.semantic_share is None or not wants_cells(run):
        return run.duplicates.from_cosine(None)
    return run.duplicates.from_cosine(cells.semantic_of(store.dataset("cells").read_all()))


def spans(run: RunFile, store: Store) -> int:
    """In how many spans the buckets are to be cut: 0 where all samples fit in memory. A sample's keys take 4 KB."""
    own = sum(footer.statuses.get("ok", 0) for footer in store.dataset("signatures").footers().values())
    count = own + earlier.kept_count(run)
    return 0 if count <= run.duplicates.in_memory else ceil(2 * count / run.duplicates.in_memory)


def samples(
    run: RunFile, store: Store, matches: Matches, source: Source, columns: list[str]
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Some columns of the samples of a part that stay or may stay, and their rows there."""
    if source.run is not None:
        old = Store(source.run)
        table = old.dataset("signatures").read(source.part, columns)
        stays = pc.equal(old.dataset("decisions").read(source.part, ["decision"])["decision"], "keep").to_numpy()
    else:
        facts = sorted({*columns, *decisions.FACTS, "key", "status"})
        table = store.dataset("signatures").read(source.part, facts)
        shown = matches.counted(source.part, verdicts.PAIR)
        stays = decisions.may_stay(run.decisions, table, shown)
    rows = np.flatnonzero(stays)
    return table.select(columns).take(pa.array(rows)), rows


class Gathered(NamedTuple):
    """Samples of earlier runs, with their `run`, and samples of this one."""

    kept: pa.Table | None
    candidates: pa.Table


def gathered(run: RunFile, parts: list[tuple[Source, pa.Table]]) -> Gathered:
    """Put the samples of parts together, given in the order of their sources."""
    schema = contract("signatures").schema
    empty = pa.schema([schema.field(name) for name in run.duplicates.columns]).empty_table()
    old = [t.append_column("run", pa.array([s.run] * len(t), pa.string())) for s, t in parts if s.run is not None]
    new = [table for source, table in parts if source.run is None]
    return Gathered(pa.concat_tables(old) if old else None, pa.concat_tables([empty, *new]))
