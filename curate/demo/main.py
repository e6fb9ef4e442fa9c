"""`curate demo`: the whole pipeline on a small web of its own, by the same code as any other run."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from curate import runfile
from curate.demo.plant import plant
from curate.demo.summary import rendered, summarise
from curate.demo.web import serving
from curate.display import show_pretrain, show_run
from curate.store import Store

_RUN_FILE = """\
# The demo: 602 URLs on a loopback web, three minutes on 2 cores, all but the faults and the planted copies kept.
# Delete this directory to begin anew; `curate run {out}/run.toml` works only while the demo's web is up.

out = "{out}"

[urls]
url_list = "{out}/web/urls/*.parquet"
caption_col = "caption"
number_sample_per_shard = 110

[shards]
contact = "https://example.org/curate-demo"
allow_networks = ["127.0.0.1/32"]    # the demo's web; every other private address stays refused
timeout = 2                          # seconds: the demo's hosts that never answer need not be waited for
retries = 1
min_image_size = 16                  # px

[benchmarks.demo]
path = "{out}/web/benchmark"

[contamination]
min_cosine = 0.75                    # drawn pictures are alike: at 0.5 more of them would be compared

[recall]
copies = 2                           # of each edit

[pretrain]
{pretrain}
"""
_PRETRAIN = """\
image_size = 32                      # px: less than a third of the work of 64
steps = 120
seconds = 60                         # on a busy machine, fewer steps"""


def demo(console: Console, out: Path, on: str) -> None:
    """Plant a web under OUT/web, run the pipeline on it into OUT, train on what is kept, and print what was found."""
    began = time.monotonic()
    folder = out / "web"
    with serving(folder) as addresses:
        console.print(f"planting a web in {folder}, served from {addresses.site}", markup=False)
        plant(folder, addresses)
        run_file = out / "run.toml"
        run_file.write_text(_RUN_FILE.format(out=out.as_posix(), pretrain=_PRETRAIN), "utf-8")
        settings = runfile.load(str(run_file))
        show_run(console, settings, on)
    store = Store(settings.out)
    trained = store.read_json("pretrain", "summary.json") or {}
    clean = store.read_json("clean", "manifest.json") or {}
    if trained.get("clean") != clean.get("content"):
        show_pretrain(console, settings, store)
    console.print(rendered(summarise(folder, lambda name: store.dataset(name).read_all())))
    console.print(f"report: {store.path('report', 'index.html')}", markup=False, soft_wrap=True)
    console.print(f"{time.monotonic() - began:.0f} s in all", markup=False)
