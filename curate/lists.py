"""The first step of a download: cut the URL lists into the slices that shards are made from.

Lists are small beside what they point to, so the driver does this itself, streaming; later runs see from the manifest
that the same lists were cut in the same way, and do not read them again.
"""

from __future__ import annotations

import time

from curate.errors import StaleError
from curate.manifest import Meter, sign
from curate.progress import Progress, Watch
from curate.sources import list_files
from curate.stages import urls
from curate.stages.urls import UrlsSettings
from curate.store import MadeFrom, Store, digest_of


def cut_urls(settings: UrlsSettings, store: Store, watch: Watch, replace: bool) -> None:
    """Write dataset `urls`, one part a shard to be; StaleError when it was cut from other lists and not `replace`."""
    began = time.monotonic()
    data = store.dataset("urls")
    lists = [list_files(path) for path in urls.list_files(settings)]
    made_from = MadeFrom("urls", urls.VERSION, settings.recipe(), digest_of(lists))
    manifest = store.read_json("urls", "manifest.json")
    if manifest and manifest["made_from"] == made_from.recipe:
        parts = len(manifest["parts"])
        watch(Progress("urls", parts, parts, 0, 0, ended=True))
        return
    if manifest and not replace:
        raise StaleError(
            f"{store.path('urls')} was cut from other URL lists, or otherwise, than {settings.url_list} would be now. "
            "Choose another directory, or pass --replace."
        )
    store.delete("urls", "manifest.json")
    for part in data.parts():
        data.delete(part)
    footers, rows, spent = {}, 0, Meter()
    for cut in urls.slices(settings):
        footers[cut.name] = data.write(cut.name, cut.table, made_from)
        rows += cut.table.num_rows
        watch(Progress("urls", len(footers), len(footers), rows, time.monotonic() - began))
    seconds = time.monotonic() - began
    cost = {"seconds": round(seconds, 3), "cpu": spent.read().cpu(), "memory": spent.read().memory}
    sign(data, footers, {"settings": settings.recipe(), "made_from": made_from.recipe}, cost)
    watch(Progress("urls", len(footers), len(footers), rows, seconds, ended=True))
