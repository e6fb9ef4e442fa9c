"""A plain web server on loopback for tests of whole runs, and URL lists that point to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.runs import encoded, picture


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass


def served(folder: Path) -> AbstractContextManager[str]:
    """Serve a folder until the block ends; gives its base URL."""
    return serving(partial(_Quiet, directory=str(folder)))


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer on loopback by a handler until the block ends; gives the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def site(folder: Path, pictures: int) -> Path:
    """Write `pictures` JPEGs 0.jpg, 1.jpg, ...; every tenth is a re-encoded copy of the one before it."""
    folder.mkdir(parents=True)
    for i in range(pictures):
        copy = i % 10 == 9
        (folder / f"{i}.jpg").write_bytes(encoded(picture(i - 1 if copy else i), quality=60 if copy else 90))
    return folder


def url_lists(folder: Path, base: str, pictures: int, lists: int) -> str:
    """Write Parquet lists of the site's pictures, and in each one that is not there; the glob that finds them."""
    folder.mkdir(parents=True)
    for n in range(lists):
        names = [f"{i}.jpg" for i in range(n, pictures, lists)] + [f"missing-{n}.jpg"]
        table = pa.table(
            {"url": [f"{base}/{name}" for name in names], "caption": [f"picture {name}" for name in names]}
        )
        pq.write_table(table, folder / f"list-{n}.parquet")
    return f"{folder}/*.parquet"


def run_file(path: Path, out: Path, urls: str, benchmark: Path) -> Path:
    """Write a run file that downloads these lists from loopback."""
    path.write_text(
        f"""
out = "{out}"
[urls]
url_list = "{urls}"
caption_col = "caption"
number_sample_per_shard = 40
[shards]
contact = "test@example.org"
allow_networks = ["127.0.0.1/32"]
respect_robots_txt = false
[signatures]
embedding = "none"
[recall]
copies = 1
[benchmarks.drawn]
path = "{benchmark}"
[clean]
samples_per_shard = 50
"""
    )
    return path
