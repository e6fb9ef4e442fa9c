"""`make bench-detection PICTURES=DIR`: the table of what is found of every edit, ours beside the peers'.

About 5 minutes on one core for the hashes and ours; the networks among the peers take some 15 more, once: their vectors
are kept in `--peers`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from curate.calibrate import COPIES, FALSE_PAIRS
from curate.calibrate.command import Asked, calibrate
from curate.calibrate.files import calibrated
from curate.ops.edits import EDITS
from curate.stages.contamination import ContaminationSettings
from curate.stages.signatures import SignaturesSettings
from tests.bench.detection import end_to_end, peers, suspects, table
from tests.bench.detection.ours import Ours
from tests.bench.detection.pictures import STRANGERS, Picture, Pictures, Trial, copies, load
from tests.bench.detection.table import CALIBRATED, LOOKALIKES, OURS, Column, Scores, Table, tabulate, threshold_for


def main() -> None:
    """Measure what the arguments ask for, print it, and write it to `--out`."""
    asked = _arguments()
    pictures = load(asked.pictures)
    pictures = pictures._replace(originals=pictures.originals[: asked.originals])
    if asked.end_to_end:
        end_to_end.main(pictures)
        return
    trials = [copies(edit, pictures.originals, pictures.grounds) for edit in EDITS]
    print(
        f"{sum(len(t.jpegs) for t in trials):,} copies of {len(pictures.originals)} photographs by {len(trials)} edits"
    )
    columns = [] if asked.ours_only else _peers(asked.peers, pictures, trials)
    columns += _ours(pictures, trials, asked.pictures)
    _report(tabulate(columns), columns, pictures.benchmark, asked.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests.bench.detection")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of the tars of photographs")
    cache = Path.home() / ".cache" / "curate-bench"
    parser.add_argument("--peers", type=Path, default=cache, help="folder for the peers' models and vectors")
    parser.add_argument("--out", type=Path, help="folder for detection.json, .md and suspects.png")
    parser.add_argument("--originals", type=int, help="only so many of the originals, for a quick look")
    parser.add_argument("--ours-only", action="store_true", help="leave the peers out")
    parser.add_argument("--end-to-end", action="store_true", help="all photographs with 200 copies, through a run")
    return parser.parse_args()


def _lookalikes(pictures: Pictures) -> tuple[list[Picture], Trial]:
    return pictures.strangers, Trial(LOOKALIKES, [picture.jpeg for picture in pictures.cropped])


def _peers(folder: Path, pictures: Pictures, trials: Sequence[Trial]) -> list[Column]:
    columns = []
    lookalikes = _lookalikes(pictures)
    for peer in peers.all_of_them(folder):
        scores: dict[str, Scores] = {}
        for benchmark, some in ((pictures.benchmark, trials), (lookalikes[0], [lookalikes[1]])):
            known = peer.describe([picture.jpeg for picture in benchmark])
            scores |= {trial.name: peer.describe(trial.jpegs) @ known.T for trial in some}
        columns.append(Column(peer.name, scores, peer.threshold))
        print(f"measured: {peer.name}", flush=True)
        if peer.name.startswith("SSCD"):
            fair = threshold_for([scores[trial.name] for trial in trials])
            columns.append(Column(f"SSCD > {fair:.3f}".replace("0.", "."), scores, fair))
    return columns


def _ours(pictures: Pictures, trials: Sequence[Trial], folder: Path) -> list[Column]:
    lookalikes = _lookalikes(pictures)
    ours = Ours([picture.jpeg for picture in pictures.benchmark])
    scores = {trial.name: ours.scores(trial.jpegs) for trial in trials}
    each = ", ".join(f"{step} {1000 * seconds / ours.copies:.2f}" for step, seconds in ours.seconds.items())
    print(f"measured: {OURS}; ms of CPU a copy: {each}", flush=True)
    for name, matching in ((LOOKALIKES, None), (CALIBRATED, _calibrated(folder / STRANGERS[0]))):
        faces = Ours([picture.jpeg for picture in lookalikes[0]], matching=matching)
        scores[name] = faces.scores(lookalikes[1].jpegs)
    return [Column(OURS, scores, 0.5)]


def _calibrated(benchmark: Path) -> ContaminationSettings:
    """Thresholds as `curate calibrate --benchmark NAME=PATH` chooses them: on the benchmark alone, no corpus seen."""
    name, signing, matching = "faces", SignaturesSettings(), ContaminationSettings()
    with tempfile.TemporaryDirectory() as out, open(os.devnull, "w") as nowhere:
        asked = Asked([f"{name}={benchmark}"], None, FALSE_PAIRS, COPIES, out, signing, matching)
        calibrate(Console(file=nowhere), asked)
        chosen = calibrated(out, signing, matching, [name])[name]
    print(f"calibrated: {chosen}", flush=True)
    return matching.model_copy(update=chosen.model_dump())


def _report(found: Table, columns: Sequence[Column], benchmark: Sequence[Picture], out: Path | None) -> None:
    rows, today = table.cells(found), datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"\nrecall in % on {today}\n{table.aligned(rows)}\n")
    rival = next((name for name in reversed(found.counts) if name.startswith("SSCD")), None)
    for line in table.shortfalls(found, rival=rival):
        print(f"short: {line}")
    pairs = suspects.suspects(columns)
    for number, pair in enumerate(pairs):
        names = f"{benchmark[pair.first].key} as {benchmark[pair.second].key}"
        print(f"suspect {number}: {names}: {len(pair.taken)} times, as {pair.taken[0]}")
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "detection.json").write_text(json.dumps({"date": today, **table.as_json(found)}, indent=1) + "\n")
        (out / "detection.md").write_text(table.markdown(rows) + "\n")
        suspects.sheet(pairs, benchmark, out / "suspects.png")


if __name__ == "__main__":
    main()
