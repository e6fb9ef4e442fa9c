"""The other engine: img2dataset 1.47 fetches, one run of it for one slice, held to what it can be held to.

The scheme is checked before it gets the list; addresses, bytes and the time of a body are checked inside its processes
(img2dataset_worker.py), after redirects too; its decoder never sees a body. What that cannot cover:
- robots.txt is not asked, hosts are not spared (`max_per_host`), a 429 is retried at once, 404 as well;
- its User-Agent claims to be Firefox; `contact` is not sent, only `user_agent_token`;
- a server that drips its *header* holds a thread until `max_seconds`, which then ends the whole slice with an error;
- `max_bytes` times `thread_count` may be in memory at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import CurateError
from curate.fetch import locations
from curate.fetch.answers import of_status
from curate.fetch.img2dataset_worker import LARGE, LATE, LIMITS, OPTIONS, SHUT
from curate.fetch.locations import Location, Refusal
from curate.fetch.scheduler import Fetched
from curate.fetch.settings import FetchSettings
from curate.ops import parquet, tars

_WORKER = "curate.fetch.img2dataset_worker"
_LOST = Refusal("network", "img2dataset lost this sample")
_WORDS = (
    (SHUT, "forbidden_address"),
    (LATE, "too_slow"),
    (LARGE, "too_many_bytes"),
    ("infinite loop", "too_many_redirects"),
    ("is not allowed", "forbidden_scheme"),
    ("X-Robots-Tag", "opted_out"),
    ("timed out", "timeout"),
    ("Name or service not known", "dns"),
    ("Temporary failure in name resolution", "dns"),
    ("No address associated", "dns"),
    ("Connection refused", "refused"),
    ("No route to host", "refused"),
    ("Network is unreachable", "refused"),
    ("SSL", "tls"),
    ("IncompleteRead", "incomplete"),
)
"""What its error messages hold -> the reason; the first that fits."""


def fetch(urls: Sequence[str], settings: FetchSettings) -> Iterator[Fetched]:
    """Fetch URLs with img2dataset: each index exactly once. CurateError when it fails or passes `max_seconds`."""
    if importlib.util.find_spec("img2dataset") is None:
        raise CurateError('engine = "img2dataset" is not installed: pip install "curate[img2dataset]"')
    checked = [locations.parse(url) for url in urls]
    handed = [i for i, at in enumerate(checked) if isinstance(at, Location)]
    for index, at in enumerate(checked):
        if isinstance(at, Refusal):
            yield Fetched(index, *at, b"")
    if not handed:
        return
    with tempfile.TemporaryDirectory(prefix="curate-img2dataset-") as name:
        folder = Path(name)
        pq.write_table(pa.table({"url": [checked[i].url for i in handed]}), folder / "urls.parquet")  # type: ignore[union-attr]
        _run(folder, len(handed), settings)
        yield from _read(folder / "out", handed, settings.max_bytes)


def _options(folder: Path, rows: int, settings: FetchSettings) -> dict[str, Any]:
    return {
        "url_list": str(folder / "urls.parquet"),
        "input_format": "parquet",
        "output_folder": str(folder / "out"),
        "output_format": "webdataset",
        "processes_count": 1,
        "thread_count": settings.thread_count,
        "number_sample_per_shard": max(rows, 2),
        "timeout": settings.timeout,
        "retries": settings.retries,
        "user_agent_token": settings.user_agent_token,
        "disallowed_header_directives": list(settings.disallowed_header_directives),
        "disable_all_reencoding": True,
        "extract_exif": False,
        "compute_hash": None,
        "enable_wandb": False,
        "max_shard_retry": 0,
    }


def _run(folder: Path, rows: int, settings: FetchSettings) -> None:
    """Run img2dataset to its end, or kill it and all its processes after `max_seconds`."""
    limits = {name: getattr(settings, name) for name in ("timeout", "max_bytes", "allow_networks")}
    environment = {
        **os.environ,
        "NO_ALBUMENTATIONS_UPDATE": "1",  # it would ask the network at every import
        "WANDB_MODE": "disabled",
        "no_proxy": "*",  # a proxy would connect for it, past the address check
        "PYTHONPATH": os.pathsep.join(sys.path),
        LIMITS: json.dumps(limits),
        OPTIONS: json.dumps(_options(folder, rows, settings)),
    }
    with open(folder / "log", "w+b") as log:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter, and no word of the list on the command line)
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,  # stays open as long as we live: the worker ends with us
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(settings.max_seconds)
        except subprocess.TimeoutExpired:
            raise CurateError(f"img2dataset did not end in max_seconds = {settings.max_seconds:g}: killed") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            cast(IO[bytes], process.stdin).close()
        if process.returncode or not (folder / "out" / "00000_stats.json").exists():
            log.seek(0)
            tail = log.read()[-2000:].decode("utf-8", "replace").strip()
            raise CurateError(f"img2dataset failed (exit code {process.returncode}); it last said:\n{tail}")


def _read(out: Path, handed: list[int], max_bytes: int) -> Iterator[Fetched]:
    """Its tar and table -> what became of each row. Its keys are the positions in the list that it was given."""
    lost = set(range(len(handed)))
    with open(out / "00000.tar", "rb") as tar:
        for member in tars.walk(tar, max_bytes):
            if not isinstance(member, tars.Member) or not member.name.endswith(".jpg"):
                continue
            row = int(member.name.removesuffix(".jpg"))
            lost.discard(row)
            if member.data is None:
                yield Fetched(handed[row], "too_many_bytes", f"more than {max_bytes} B", b"")
            else:
                yield Fetched(handed[row], "ok" if member.data else "empty", "", member.data)
    told = parquet.read(out / "00000.parquet", ["key", "error_message"]).to_pydict()
    messages = {int(key): text for key, text in zip(told["key"], told["error_message"], strict=True) if text}
    for row in sorted(lost):
        yield Fetched(handed[row], *(_reason(messages[row]) if row in messages else _LOST), b"")


def _reason(message: str) -> Refusal:
    """The reason that one of its error messages stands for."""
    message = message[:200]
    for words, reason in _WORDS:
        if words in message:
            return Refusal(reason, message)
    status = re.match(r"HTTP Error (\d{3})", message)
    return Refusal(of_status(int(status[1])).reason if status else "network", message)
