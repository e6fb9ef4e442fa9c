"""Write the demo's folder: `site/` for the web, `benchmark/CLASS/`, `urls/part-N.parquet`, and `truth.json`.

`truth.json` says what was planted, by URL; only the demo's closing summary reads it:
- `clean`: pictures that must be kept, fetched through whatever detour;
- `edits`: `{edit, benchmark}`, copies of benchmark pictures, named as `decisions` names them (`city/003`);
- `duplicates`: `{kind, original}`, where `original` is the URL of a clean picture: one of the two must be kept;
- `faults`: `{fault, expected}`, a word of `schemas/statuses.toml`; where it is `ok` the URL is also among the clean.

Originals of duplicates and copies of the benchmark are not among the clean.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.demo.brush import Drawn, Rng, some
from curate.demo.edits import DUPLICATES, EDITS
from curate.demo.encode import ODDITIES, File, encoded, jpeg, saved
from curate.demo.faults import Fault, bodies, faults
from curate.demo.pictures import pictures
from curate.demo.web import Addresses
from curate.errors import StaleError

LISTS = 6
COPIES = 7
"""How many benchmark pictures go through each edit."""
EDITED = 40
"""How many benchmark pictures are in the web at all; the others stay clean, so that scores on both can be compared."""
TWINS = 8
"""How many pictures of the web get each kind of duplicate."""

DETOURS = {
    "429, then success": ("later/429/", "ok"),
    "503, then success": ("later/503/", "ok"),
    "redirect": ("moved/", "ok"),
    "X-Robots-Tag: noai": ("noai/", "opted_out"),
    "robots.txt": ("members/", "robots"),
    "connection cut half way": ("cut/", "incomplete"),
}
"""Faults that stand between the reader and a good picture: the path they put before it, and the status."""

CAPTIONS = {
    "script in the caption": "<script>document.title='owned'</script><img src=x onerror=alert(1)>",
    "formula in the caption": '=HYPERLINK("http://169.254.169.254/","a sunny beach")',
    "control characters in the caption": "\x1b[31mA red\x1b[0m barn\r\nstatus: ok\x07 \u202egnp.exe",
    "empty caption": None,
}

STRANGE_NAME = "café am Meer, 写真 & mehr"


class Listed(NamedTuple):
    """One row of the URL lists."""

    url: str
    caption: str | None


class _Web:
    """What has been put on the web so far: files, rows of the URL lists, and the truth about them."""

    def __init__(self, site: Path, at: Addresses) -> None:
        self.site, self.base, self.rows = site, at.site, list[Listed]()
        self.truth: dict[str, Any] = {"clean": [], "edits": {}, "duplicates": {}, "faults": {}}

    def put(self, file: File, caption: str | None, before: str = "", name: str = "") -> str:
        """Store the file under `name` or a plain number, list its URL with the path `before` put before it; the URL."""
        path = f"p/{name or f'{len(self.rows):04d}'}.{file.extension}"
        self.write(path, file.data)
        return self.announce(f"{self.base}/{before}{path}", caption)

    def write(self, path: str, data: bytes) -> None:
        place = self.site / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def announce(self, url: str, caption: str | None) -> str:
        self.rows.append(Listed(url, caption))
        return url

    def fault(self, name: str, url: str, expected: str) -> None:
        self.truth["faults"][url] = {"fault": name, "expected": expected}
        if expected == "ok":
            self.truth["clean"].append(url)


def plant(folder: Path, at: Addresses, seed: int = 0) -> None:
    """Fill `folder`; the same seed and addresses give the same bytes. Does nothing where this was done before."""
    recipe = {"seed": seed, "addresses": at._asdict(), "code": _code()}
    told = folder / "truth.json"
    if told.exists() and json.loads(told.read_text("utf-8")).get("recipe") == recipe:
        return
    _clear(folder, told)
    made, web, rng = pictures(seed), _Web(folder / "site", at), np.random.default_rng([seed, 7])
    benchmark = _benchmark(folder / "benchmark", made.benchmark, rng)
    _edits(web, benchmark, rng)
    _clean(web, made.web, rng)
    _faults(web, faults(at), made.web[0])
    _lists(folder / "urls", web.rows, rng)
    _tell(told, {"recipe": recipe, **web.truth})  # last: whoever finds a recipe finds everything else complete


def _clear(folder: Path, told: Path) -> None:
    """Remove an earlier planting; refuse to remove what no demo has made."""
    there = [path for name in ("site", "benchmark", "urls") if (path := folder / name).exists()]
    if there and not told.exists():
        raise StaleError(f"{there[0]} is there, but no {told}: no demo made it. Choose another directory")
    folder.mkdir(parents=True, exist_ok=True)
    _tell(told, {})
    for path in there:
        shutil.rmtree(path)


def _tell(told: Path, truth: dict[str, Any]) -> None:
    draft = told.with_suffix(".draft")
    draft.write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", "utf-8")
    draft.replace(told)


def _code() -> str:
    """Digest of the demo's own source: what is planted changes with it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class _Shown(NamedTuple):
    """A picture of the benchmark: its key, its file and its caption."""

    key: str
    file: File
    caption: str
    square: bool


def _benchmark(folder: Path, classes: dict[str, list[Drawn]], rng: Rng) -> list[_Shown]:
    """Write the benchmark as an image folder, every sixth picture as PNG."""
    shown = []
    for name, drawn in classes.items():
        (folder / name).mkdir(parents=True)
        for number, (image, caption) in enumerate(drawn):
            file = saved(image, "png") if rng.random() < 1 / 6 else jpeg(image, 90)
            key = f"{name}/{number:03d}"
            (folder / f"{key}.{file.extension}").write_bytes(file.data)
            shown.append(_Shown(key, file, caption, image.width == image.height))
    return shown


def _edits(web: _Web, benchmark: list[_Shown], rng: Rng) -> None:
    """Put `COPIES` of each edit on the web, all of them of the same `EDITED` pictures, none of which is square yet."""
    chosen = some(rng, [shown for shown in benchmark if not shown.square], EDITED)
    for name, edit in EDITS.items():
        for shown in some(rng, chosen, COPIES):
            url = web.put(edit(shown.file, rng), shown.caption)
            web.truth["edits"][url] = {"edit": name, "benchmark": shown.key}


def _clean(web: _Web, drawn: list[Drawn], rng: Rng) -> None:
    """Put every picture on the web: some behind detours, some in odd formats, some twice, most of them plainly."""
    queue = [drawn[int(i)] for i in rng.permutation(len(drawn))]
    for name, (before, expected) in DETOURS.items():
        one = queue.pop()
        web.fault(name, web.put(jpeg(one.image, 85), one.caption, before), expected)
    one = queue.pop()
    web.fault("spaces and non-ASCII in the URL", web.put(jpeg(one.image, 85), one.caption, name=STRANGE_NAME), "ok")
    for name, caption in CAPTIONS.items():
        web.fault(name, web.put(jpeg(queue.pop().image, 85), caption), "ok")
    for name, store in ODDITIES.items():
        one = queue.pop()
        web.fault(name, web.put(store(one.image), one.caption), "ok")
    for kind in DUPLICATES:
        for _ in range(TWINS):
            _twin(web, queue.pop(), kind, rng)
    web.truth["clean"] += [web.put(encoded(one.image, rng), one.caption) for one in queue]


def _twin(web: _Web, one: Drawn, kind: str, rng: Rng) -> None:
    """Put the picture and a duplicate of it on the web."""
    file = jpeg(one.image, 88)
    original = web.put(file, one.caption)
    caption = f"Picture of the day: {one.caption}" if "caption" in kind else one.caption
    copy = web.put(DUPLICATES[kind](file, rng), caption)
    web.truth["duplicates"][copy] = {"kind": kind, "original": original}


def _faults(web: _Web, planted: list[Fault], photo: Drawn) -> None:
    for path, body in bodies(jpeg(photo.image, 90).data).items():
        web.write(path, body)
    for name, url, expected in planted:
        web.fault(name, web.announce(url, "A holiday picture"), expected)


def _lists(folder: Path, rows: list[Listed], rng: Rng) -> None:
    """Shuffle the rows and write them as `LISTS` Parquet files."""
    folder.mkdir(parents=True)
    for number, part in enumerate(np.array_split(rng.permutation(len(rows)), LISTS)):
        columns = {name: [getattr(rows[int(i)], name) for i in part] for name in Listed._fields}
        schema = pa.schema([("url", pa.string()), ("caption", pa.string())])
        pq.write_table(pa.table(columns, schema=schema), folder / f"part-{number}.parquet")
