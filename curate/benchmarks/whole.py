"""Is a benchmark whole? Half of one finds half of what is there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curate import sources
from curate.benchmarks.places import BenchmarkSettings
from curate.benchmarks.presets import preset, split_of
from curate.contracts import contract
from curate.errors import CurateError, SourceError
from curate.ops.images import Fault, decode, probe

VIEWS = ["benchmark", "shard", "key", "status", "message"]


def check_views(names: Collection[str], parts: Iterable[pa.Table]) -> None:
    """Refuse benchmarks that are not whole, by the parts of their `views`: SourceError names the first.

    Of the parts the columns VIEWS are needed; an image has a row a view there, and all of them in one part.
    """
    found = [part.select(VIEWS).group_by(VIEWS, use_threads=False).aggregate([]) for part in parts]
    images = pa.concat_tables([contract("views").only(VIEWS).empty(), *found])
    for name in names:
        mine = images.filter(pc.equal(images["benchmark"], name))
        bad = mine.filter(pc.not_equal(mine["status"], "ok"))
        if preset(name) and len(bad):
            first = bad.slice(0, 1).to_pylist()[0]
            raise SourceError(_unreadable(name, len(bad), first))
        check_count(name, len(mine))


def check_count(name: str, images: int) -> None:
    """Refuse an empty benchmark, and one of a known name that has not all its images: half a download finds half."""
    if not images:
        raise SourceError(f"benchmark `{name}` has no images")
    known = preset(name)
    if known and split_of(name) == "test" and images not in known.counts:
        cut = known.tfds.rows if known.tfds else None
        rows = f" It is cut out of another: `rows` = {list(cut)} in the order of TFDS." if cut else ""
        raise SourceError(
            f"benchmark `{name}` has {images:,} images; the {known.split} split of {known.title} has "
            f"{' or '.join(f'{n:,}' for n in sorted(known.counts, reverse=True))}. Is it whole, and this split?{rows} "
            "To search a part of it, give it another name."
        )


def _unreadable(name: str, number: int, first: dict[str, str]) -> str:
    more = f", and {number - 1:,} more" if number > 1 else ""
    why = f"{first['status']}{': ' + first['message'] if first['message'] else ''}"
    return (
        f"benchmark `{name}`: image `{first['key']}` of shard `{first['shard']}` cannot be read ({why}){more}. "
        "Fetch it again; to search what can be read, give it another name."
    )


class Checked(NamedTuple):
    """What a look at every image of a benchmark has found: how many there are, and what is wrong."""

    images: int
    faults: tuple[str, ...]


def look(name: str, where: BenchmarkSettings) -> Checked:
    """Read a benchmark from end to end: digests of the hub's files, every image decoded, and the count."""
    images, faults, bad = 0, [], []
    try:
        for shard in sources.find(where):
            faults += list(_digest_faults(shard.files))
            for sample in sources.read(shard):
                images += 1
                fault = sample.fault or _fault(sample.image or b"")
                if fault:
                    said = {"key": sample.key, "shard": shard.name, "status": fault.status, "message": fault.message}
                    bad.append(said)
        if bad:
            faults.append(_unreadable(name, len(bad), bad[0]))
        check_count(name, images)
    except (CurateError, OSError) as error:
        faults.append(str(error))
    return Checked(images, tuple(faults))


def _fault(data: bytes) -> Fault | None:
    header = probe(data)
    if isinstance(header, Fault):
        return header
    seen = decode(data, header, min_side=64, colour=False)
    return seen if isinstance(seen, Fault) else None


def _digest_faults(files: Collection[str]) -> Iterator[str]:
    """Files of the hub's cache whose content is not what their name says, which is its sha256."""
    for file in files:
        blob = Path(file.removeprefix("file://")).resolve()
        if re.fullmatch("[0-9a-f]{64}", blob.name) and blob.parent.name == "blobs":
            with blob.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
            if found != blob.name:
                yield f"{file}: its sha256 is {found[:12]}, and should be {blob.name[:12]}; fetch it again"
