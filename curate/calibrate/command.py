"""`curate calibrate`: measure each benchmark, write NAME.json and NAME.png, and show what was chosen and why."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from curate.benchmarks import BenchmarkSettings, members, placed
from curate.calibrate import files, material, plot
from curate.calibrate.measure import Measured, measure
from curate.calibrate.scores import Scorer
from curate.config import parse
from curate.errors import ConfigError, CurateError
from curate.sources import SourceSettings
from curate.stages.contamination import ContaminationSettings
from curate.stages.signatures import SignaturesSettings, Signer
from curate.store import Store

_MOST_SAMPLES = 10_000
"""Samples of the corpus that are looked at, at most: about half an hour of one core."""
_SAYS = {"min_similarity": "thumbnails", "min_agreement": "alignment"}


class Asked(NamedTuple):
    """What is to be calibrated: benchmarks as NAME=PATH, against which corpus, for which rate, on how many copies."""

    benchmarks: Sequence[str]
    corpus: str | None
    false_pairs: float
    copies: int
    out: str
    signing: SignaturesSettings
    matching: ContaminationSettings


def calibrate(console: Console, asked: Asked) -> None:
    """Calibrate each benchmark in turn; CurateError says what cannot be done, before anything is measured."""
    named = _checked(asked)
    signer = Signer(asked.signing)
    for name, where in named.items():
        images = material.look(name, where, asked.signing)
        copies = material.copies(images, where, signer, asked.copies, asked.signing.max_pixels)
        scorer = Scorer(asked.matching, images.views)
        corpus = None
        if asked.corpus:
            wanted = min(_MOST_SAMPLES, math.ceil(3 / asked.false_pairs / len(scorer.benchmark.names)))
            corpus = material.corpus(SourceSettings(path=asked.corpus), signer, wanted, asked.signing.max_bytes)
        samples = len(corpus.signatures) if corpus else 0
        against = f"{len(scorer.benchmark.names):,} of {images.total:,} images, and {samples:,} samples of the corpus"
        console.print(f"{name}: {len(copies.copies):,} copies against {against}", markup=False, soft_wrap=True)
        found = measure(scorer, asked.matching, copies, corpus, asked.false_pairs)
        counts = {"images": images.total, "unreadable": images.unreadable, "looked_at": len(scorer.benchmark.names)}
        counts |= {"copies": len(copies.copies), "samples": samples, "pairs": found.pairs, "set_aside": found.set_aside}
        _write(console, asked, name, found, counts)
        _show(console, asked, name, found)


def _checked(asked: Asked) -> dict[str, SourceSettings]:
    faults = []
    named: dict[str, SourceSettings] = {}
    for given in asked.benchmarks:
        name, equals, path = given.partition("=")
        if not (members(given) or (equals and path and re.fullmatch(r"[A-Za-z0-9_-]+", name))):
            faults.append(f"--benchmark wants NAME=PATH, the name of letters, digits, - and _; not {given!r}")
            continue
        for member, where in placed({name: {"path": path} if equals else {}}).items():
            faults += [f"--benchmark {member} is given twice"] if member in named else []
            named[member] = parse(BenchmarkSettings, where, given)
    faults += [] if named else ["--benchmark NAME=PATH is wanted, once or more often"]
    faults += (
        [] if 0 < asked.false_pairs < 1 else [f"--false-pairs is a share above 0, as 1e-6; not {asked.false_pairs}"]
    )
    faults += [] if asked.copies > 0 else [f"--copies is 1 or more, not {asked.copies}"]
    if faults:
        raise ConfigError("curate calibrate", faults)
    return named


def _write(console: Console, asked: Asked, name: str, found: Measured, counts: dict[str, int]) -> None:
    store = Store(asked.out)
    drawn = plot.png(name, asked.false_pairs, found)
    try:
        store.write_json(_as_json(asked, name, found, counts), f"{name}.json")
        if drawn:
            store.write_bytes(drawn, f"{name}.png")
    except OSError as error:
        raise CurateError(f"{asked.out}: cannot be written: {error.strerror or error}") from None
    console.print(f"{name}: {store.path(name)}.json{', .png' if drawn else ''}", markup=False, soft_wrap=True)
    if not drawn:
        console.print(f"{name}: no picture of the curves, for want of matplotlib: pip install 'curate\\[models]'")


def _as_json(asked: Asked, name: str, found: Measured, counts: dict[str, int]) -> dict[str, Any]:
    """The file's content, without dates or seconds, so that the same calibration gives the same bytes."""
    all_found = asdict(found)
    for check, points in all_found["curves"].items():
        for at, point in enumerate(points):
            point["recall_of"] = {edit: values[at] for edit, values in found.recall_at[check].items()}
    return {
        "version": files.VERSION,
        "benchmark": name,
        "false_pairs": asked.false_pairs,
        "made_with": files.made_with(asked.signing, asked.matching),
        "counts": counts,
        "thresholds": {check: choice.threshold for check, choice in found.choices.items()},
        "proven": all(choice.proven for choice in found.choices.values()),
        **{key: all_found[key] for key in ("false", "at_most_per_million", "edits", "curves", "costs", "strangers")},
    }


def _show(console: Console, asked: Asked, name: str, found: Measured) -> None:
    for table in (_edits(name, found), _thresholds(name, found), _costs(found)):
        if table.row_count:
            console.print(table)
    pairs, proven = found.pairs, all(choice.proven for choice in found.choices.values())
    said = [
        f"At these thresholds {found.false:,} of {pairs:,} unrelated pairs pass: with 95 % confidence at most "
        f"{found.at_most_per_million:.3g} of a million."
    ]
    if not proven:
        need = math.ceil(3 / asked.false_pairs)
        said.append(
            f"That does not prove the {1e6 * asked.false_pairs:g} of a million asked for: none seen of n only tells "
            f"that it is below 3/n, so it takes {need:,} pairs. No threshold was set below its default. More pairs "
            "come with --corpus and with more --copies."
        )
    if found.set_aside:
        said.append(
            f"{found.set_aside:,} pairs are copies beyond doubt (twins, or contamination), and count as neither."
        )
    said += [
        f"nearest stranger: {s.sample} ~ {s.image}, {s.similarity:.2f} and {s.agreement:.2f}" for s in _near(found)
    ]
    for line in said:
        console.print(line, markup=False, soft_wrap=True)


def _near(found: Measured) -> Sequence[Any]:
    """Strangers that pass, or nearly: to be looked at, since they may be copies that nobody planted."""
    least = min(choice.threshold for choice in found.choices.values())
    return [s for s in found.strangers if max(s.similarity, s.agreement) >= least][:3]


def _edits(name: str, found: Measured) -> Table:
    table = Table(title=f"{name}: copies found at the thresholds chosen", title_justify="left")
    for column in ("edit", "copies", "found", "recall", "95 % interval"):
        table.add_column(column, justify="left" if column == "edit" else "right")
    for e in found.edits:
        table.add_row(e.edit, f"{e.tried:,}", f"{e.found:,}", f"{e.recall:.1%}", f"{e.low:.1%} to {e.high:.1%}")
    return table


def _thresholds(name: str, found: Measured) -> Table:
    """The curves, thinned, with the thresholds chosen among them."""
    table = Table(title=f"{name}: each check alone", title_justify="left")
    for column in ("check", "threshold", "recall", "false pairs", "a million", "at most"):
        table.add_column(column, justify="left" if column == "check" else "right")
    for check, points in found.curves.items():
        chosen = found.choices[check].threshold
        for number, p in enumerate(points):
            if number % 10 == 0 or p.threshold == chosen:
                mark = " ← chosen" if p.threshold == chosen else ""
                row = (f"{p.threshold:.2f}", f"{p.recall:.1%}", f"{p.false:,}", f"{p.false_per_million:.3g}")
                table.add_row(_SAYS[check] + mark, *row, f"{p.at_most_per_million:.3g}", style="bold" if mark else "")
        table.add_section()
    return table


def _costs(found: Measured) -> Table:
    table = Table(title="What min_cosine costs: images proposed to be aligned, a sample", title_justify="left")
    for column in ("min_cosine", "proposed", "aligned at most", "own image on the shortlist"):
        table.add_column(column, justify="right")
    for c in found.costs:
        table.add_row(f"{c.min_cosine:.1f}", f"{c.proposed:,.2f}", f"{c.aligned:.2f}", f"{c.own:.1%}")
    return table
