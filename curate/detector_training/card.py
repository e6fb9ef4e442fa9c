"""The model card, made from facts alone; what was measured by others stays between its markers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from curate.detector import files
from curate.detector.graph import BATCH
from curate.detector.model import Detector
from curate.detector.pixels import HOW
from curate.detector_training.facts import Cost, Facts

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_UNMEASURED = f"{BEGIN}\n\nNothing measured yet.\n\n{END}"


def write(folder: Path, told: Facts, cost: Cost) -> None:
    """Write `CARD.md` for the files in `folder`, keeping what the card there says between the markers."""
    path = folder / files.CARD
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    measured = _UNMEASURED
    if BEGIN in old and END in old:
        measured = BEGIN + old.split(BEGIN, 1)[1].split(END, 1)[0] + END
    what = _what(told, files.sealed(folder), _megabytes(folder), measured)
    path.write_text(what + _how(told, cost), encoding="utf-8")


def _megabytes(folder: Path) -> float:
    return (folder / files.WEIGHTS).stat().st_size / 1e6


def _what(told: Facts, weights: str, megabytes: float, measured: str) -> str:
    numbers = sum(p.numel() for p in Detector(told.shape).parameters())
    return f"""# The detector

<!-- written by jobs/train_detector.py --export; only what is between the two markers is written by hand -->

A vision transformer of {numbers / 1e6:.1f} million weights that says whether one picture is an edited copy of another:
copies lie near each other, all other pictures apart. It compares pictures, it names nothing that is on them.

- In: any picture, {HOW}, (N, 112, 112) uint8.
  Out: {told.shape.dim} numbers of unit length; compare by their cosine.
- Weights: `{files.WEIGHTS}`, float16, {megabytes:.1f} MB, sha256 `{weights}`.
- Runs: on a CPU through OpenVINO in float32, {BATCH} pictures at a time, one thread; on a GPU through torch in bf16.
- Mirrored and turned by quarters it does not know a picture again: the benchmark is signed in all eight ways instead.

## Measured

{measured}

"""


def _how(told: Facts, cost: Cost) -> str:
    seen = 2 * told.recipe.batch * cost.step
    rows = "\n".join(f"| {row['name']} | {row['pictures']} | {row['licence']} |" for row in told.sources)
    settings = {name: value for name, value in (asdict(told.shape) | asdict(told.recipe)).items() if value != ""}
    recipe = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
    begin = " --start WEIGHTS" if told.recipe.start else ""
    return f"""## Pictures

{told.tiles:,} tiles of 192 x 192 px, cut from:

| source | pictures | licence |
|---|---:|---|
{rows}

No picture of any benchmark. Do not measure it on these sources: the demo's drawn pictures and scikit-image's
photographs, which are the demo's too, are among them.

## Cost

{cost.step:,} of {told.recipe.steps:,} steps, {seen:,} edited pictures seen, {cost.seconds / 3600:.1f} hours on \
{told.hardware}. When it ended: loss {cost.loss}, {100 * cost.hit:.0f} % of a batch's copies nearest to their own \
original among all negatives.

## Recipe

Digest `{told.digest}`. The same pictures, recipe and hardware give the same weights; the seed is among the rows.
`start` is the sha256 of the weights that it began with, layers above theirs changing nothing at first; none: at random.
{told.note}

| setting | value |
|---|---|
{recipe}

## Make it again

```
python jobs/train_detector.py --pictures FOLDER... --drawn N{begin} --out OUT
python jobs/train_detector.py --out OUT --export curate/detector
```
"""
