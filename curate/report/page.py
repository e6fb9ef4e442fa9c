"""The page: numbers in the template, pairs beside it. Nothing from the web can run there, or be asked for."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from curate.pretrain.compared import verdict
from curate.pretrain.result import Estimate
from curate.report import audit_files, numbers, pictures, sidecars
from curate.report.pairs import galleries
from curate.report.shards import Shards
from curate.report.text import shown
from curate.review import summary as review
from curate.review.verdicts import name_of
from curate.runfile import RunFile
from curate.store import Store


def write(run: RunFile, store: Store) -> str:
    """Write `report/summary.json`, `report/pairs/` and, last, `report/index.html`; the page's path."""
    summary = numbers.count(run, store)
    sample = review.draw(run.review, store)
    shows = galleries(store, run.report, {name_of(row): place for place, row in enumerate(sample.drawn, 1)})
    pairs = [pair for gallery in shows for pair in gallery.pairs]
    shards = Shards(run, store)
    found = pictures.find(run, store, [place for pair in pairs for place in (pair.sample, pair.match)], shards)
    sidecars.write(store, shows, found, review.page_data(sample, store))
    html = (
        _environment()
        .get_template("index.html.jinja")
        .render(
            summary=summary,
            galleries=shows,
            settings=list(_flat(run.model_dump(mode="json"))),
            pretrain=_pretraining(store),
            compare=_comparison(store),
            style=_own("style.css"),
            script=_own("page.js", "pair.js", "review.js", "main.js"),
        )
    )
    store.write_json(asdict(summary), "report", "summary.json")
    audit_files.write(run, store, summary, shards)
    store.write_bytes(html.encode("utf-8"), "report", "index.html")
    return store.path("report", "index.html")


@cache
def _own(*names: str) -> tuple[Markup, str]:
    """Our own style or script as it stands in the page, and the source by which the page's policy knows it."""
    text = "\n" + "".join((files("curate.report") / "templates" / name).read_text("utf-8") for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return Markup(text), f"'sha256-{digest}'"  # noqa: S704 - read from our own files


def _environment() -> Environment:
    """Every string that a template prints is made visible, then escaped: no template can forget it."""
    environment = Environment(
        loader=PackageLoader("curate.report"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": "{:,}".format, "percent": _percent, "verdict": _verdict}
    return environment


def _percent(share: float) -> str:
    """A share in per cent; what is not quite nothing does not read as nothing."""
    return "< 0.01 %" if 0 < share < 1e-4 else f"{share:.2%}".replace("%", " %")


def _flat(settings: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted path, value)."""
    if not isinstance(settings, dict):
        return [(path, "" if settings is None else str(settings))]
    return [pair for name, value in settings.items() for pair in _flat(value, f"{path}.{name}".lstrip("."))]


def _pretraining(store: Store) -> dict[str, Any] | None:
    """The pretraining's summary, its pictures by name as `plots`, and if it is `stale`: made of other clean shards."""
    found = store.read_json("pretrain", "summary.json")
    if found is None or "pictures" not in found:  # an older version's
        return None
    plots = {name: _inline(store, "pretrain", file) for name, file in found["pictures"].items()}
    return {**found, "plots": plots, "stale": _stale(store, found)}


def _comparison(store: Store) -> dict[str, Any] | None:
    """The summary of `--compare`, likewise."""
    found = store.read_json("pretrain", "compare", "summary.json")
    if found is None or "clean" not in found:  # an older version's
        return None
    drawn = ("compare", "scales") if found["scales"] else ("compare",)
    plots = {name: _inline(store, "pretrain", "compare", f"{name}.png") for name in drawn}
    return {**found, "plots": plots, "stale": _stale(store, found)}


def _inline(store: Store, *path: str) -> str:
    """A PNG of a run, as the page holds it."""
    return f"data:image/png;base64,{base64.b64encode(store.fs.cat_file(store.path(*path))).decode('ascii')}"


def _stale(store: Store, found: dict[str, Any]) -> bool:
    clean = store.read_json("clean", "manifest.json") or {}
    return bool(found["clean"] != clean.get("content"))


def _verdict(found: dict[str, float] | None) -> str:
    return verdict(None if found is None else Estimate(**found))
