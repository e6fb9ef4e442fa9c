"""Datasets on disk or on an object store: part files that say what they were made from, and a manifest written last.

A part is one Parquet file `NAME.parquet`, with a tar `NAME.tar` beside it where a stage emits samples. It is written as
a draft and renamed (local), or uploaded by one finished PUT (object store), the Parquet last: where it is, the part is
whole. Its footer holds the recipe (digest of what it was made from) and digests of its rows and of its tar.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from curate.contracts import Contract, contract
from curate.errors import CurateError, DigestError
from curate.ops import parquet
from curate.ops.digest import rows_digest
from curate.ops.parquet import Where

_FOOTER = b"curate"
ROW_GROUP = 1 << 13
"""Rows that are read at once: who wants some rows of a sorted part skips the rest."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class MadeFrom:
    """What a part is made from: the stage, its version, the settings that decide its rows, and its inputs' content."""

    stage: str
    version: int
    settings: dict[str, Any]
    inputs: str

    @property
    def recipe(self) -> str:
        """Digest of all of it, 64 hex digits."""
        return digest_of(asdict(self))


@dataclass(frozen=True)
class Footer:
    """What a part says of itself."""

    made_from: MadeFrom
    recipe: str
    rows: str
    count: int
    tar: str | None = None
    statuses: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def digest_of(value: Any) -> str:
    """Digest of a JSON value, independent of the order of keys: 64 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def describe(table: pa.Table, made_from: MadeFrom, tar: str | None, facts: dict[str, Any]) -> Footer:
    """The footer of a part with these rows; `tar` is the digest of the tar beside it, `facts` tell of models."""
    counts = pc.value_counts(table["status"]).to_pylist() if "status" in table.column_names else []
    statuses = {c["values"]: c["counts"] for c in sorted(counts, key=lambda c: c["values"])}
    return Footer(made_from, made_from.recipe, rows_digest(table), table.num_rows, tar, statuses, facts)


class Store:
    """One run's directory, local or any fsspec URL, and the datasets in it."""

    def __init__(self, url: str) -> None:
        self.fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)  # other processes write here too
        self.root = root.rstrip("/")
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def dataset(self, name: str) -> Dataset:
        return Dataset(self, name, contract(name))

    def path(self, *steps: str) -> str:
        return "/".join((self.root, *steps))

    def url(self, *steps: str) -> str:
        """The path with its protocol, for whoever opens it through fsspec."""
        return str(self.fs.unstrip_protocol(self.path(*steps)))

    def read_json(self, *steps: str) -> dict[str, Any] | None:
        """The JSON object at a path, None when there is none."""
        try:
            return cast(dict[str, Any], json.loads(self.fs.cat_file(self.path(*steps))))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise DigestError(f"{self.path(*steps)}: not JSON ({error}); delete it and run again") from None

    def write_json(self, value: Any, *steps: str) -> None:
        self.write_bytes((json.dumps(value, indent=1, sort_keys=True) + "\n").encode(), *steps)

    def write_bytes(self, data: bytes, *steps: str) -> None:
        """Write a small file whole: a draft and a rename, or one PUT."""
        with self.draft(self.path(*steps)) as file:
            file.write(data)

    @contextmanager
    def draft(self, path: str) -> Iterator[IO[bytes]]:
        """A binary file that appears at `path` only when the block ends well; else nothing is left behind."""
        folder = path.rpartition("/")[0]
        if self.is_local:
            os.makedirs(folder, exist_ok=True)
        hidden = f".{path.rpartition('/')[2]}.{uuid.uuid4().hex[:8]}.draft"
        draft = f"{folder}/{hidden}" if self.is_local else os.path.join(tempfile.gettempdir(), hidden)
        try:
            with open(draft, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if self.is_local:
                os.replace(draft, path)
            else:
                self.fs.put_file(draft, path)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise CurateError(
                f"{draft}: {error.strerror}; nothing was kept of {path}; make room and run again"
            ) from None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)

    def delete(self, *steps: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            self.fs.rm_file(self.path(*steps))

    def sweep(self) -> None:
        """Delete drafts that a killed process left; only called while the run is locked."""
        if self.is_local:
            for path in Path(self.root).glob("**/.*.draft"):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Dataset:
    """All parts of one stage: one directory, one contract."""

    store: Store
    name: str
    contract: Contract

    def path(self, part: str, extension: str = "parquet") -> str:
        return self.store.path(self.name, f"{part}.{extension}")

    def parts(self) -> list[str]:
        """Names of the parts that are there, sorted."""
        try:
            listed = self.store.fs.ls(self.store.path(self.name), detail=False)
        except FileNotFoundError:
            return []
        files = [path.rpartition("/")[2] for path in listed]
        return sorted(f.removesuffix(".parquet") for f in files if f.endswith(".parquet") and not f.startswith("."))

    def footers(self) -> dict[str, Footer]:
        """Every part's footer, read side by side: on an object store each one is a round trip."""
        parts = self.parts()
        with ThreadPoolExecutor(16) as pool:
            return dict(zip(parts, pool.map(self.footer, parts), strict=True))

    def footer(self, part: str) -> Footer:
        with self._open(part) as file:
            return self._footer(part, pq.read_metadata(file).metadata or {})

    def read(self, part: str, columns: list[str] | None = None, where: Where | None = None) -> pa.Table:
        """Read a part (or some columns, or the rows `where`) and hold it against its contract.

        DigestError when it is no part of ours.
        """
        with self._open(part) as file:
            table = parquet.read(file, columns, where)
        self._footer(part, table.schema.metadata or {})
        table = table.replace_schema_metadata(None)
        told = self.contract.only(columns) if columns else self.contract
        return told.check(table, self.path(part))

    def ranges(self, part: str, column: str) -> list[tuple[Any, Any]]:
        """The least and the greatest value of a column in the parcels of rows that are read at once, in their order."""
        with self._open(part) as file:
            return parquet.ranges(file, column)

    def read_all(self, columns: list[str] | None = None) -> pa.Table:
        """Read all parts as one table, in the order of their names."""
        tables = [self.read(part, columns) for part in self.parts()]
        return pa.concat_tables(tables) if tables else self.contract.empty().select(columns or self._names())

    @contextmanager
    def tar(self, part: str) -> Iterator[HashingFile]:
        """A draft of the part's tar; publish it before the part itself is written."""
        with self.store.draft(self.path(part, "tar")) as file:
            yield HashingFile(cast(BinaryIO, file))

    def write(
        self,
        part: str,
        table: pa.Table,
        made_from: MadeFrom,
        tar: str | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Footer:
        """Check the contract, then write the part with its footer; `tar` is the digest of the tar beside it."""
        self.contract.check(table, self.path(part))
        table = table.combine_chunks()
        footer = describe(table, made_from, tar, facts or {})
        table = table.replace_schema_metadata({_FOOTER: json.dumps(asdict(footer), sort_keys=True)})
        with self.store.draft(self.path(part)) as file:
            parquet.write(table, file, ROW_GROUP, self.contract.cut)
        return footer

    def delete(self, part: str) -> None:
        """Delete a part: the Parquet first, so that no moment shows a part without its tar."""
        for extension in ("parquet", "tar"):
            self.store.delete(self.name, f"{part}.{extension}")

    def verify(self, part: str) -> list[str]:
        """Digest the part and its tar again; the faults found, each with its path."""
        try:
            footer, table = self.footer(part), self.read(part)
        except CurateError as error:
            return [str(error)]
        faults = []
        told = describe(table, footer.made_from, footer.tar, footer.facts)
        if told.rows != footer.rows:
            faults.append(f"{self.path(part)}: rows are not those that were written")
        elif told != footer:
            faults.append(f"{self.path(part)}: its footer is not the one that was written")
        if footer.tar and self._digest_tar(part) != footer.tar:
            faults.append(f"{self.path(part, 'tar')}: not the bytes that were written")
        return faults

    def _digest_tar(self, part: str) -> str:
        try:
            with self.store.fs.open(self.path(part, "tar"), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return "missing"

    @contextmanager
    def _open(self, part: str) -> Iterator[BinaryIO]:
        try:
            with self.store.fs.open(self.path(part), "rb") as file:
                yield cast(BinaryIO, file)
        except FileNotFoundError:
            raise DigestError(f"{self.path(part)}: missing; run again") from None
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DigestError(f"{self.path(part)}: {error}; delete it and run again") from None

    def _footer(self, part: str, metadata: dict[bytes, bytes]) -> Footer:
        try:
            said = json.loads(metadata[_FOOTER])
            return Footer(**{**said, "made_from": MadeFrom(**said["made_from"])})
        except (KeyError, TypeError, ValueError):
            raise DigestError(f"{self.path(part)}: no part of a run of ours; move it elsewhere") from None

    def _names(self) -> list[str]:
        return [c.name for c in self.contract.columns]


class HashingFile:
    """A binary file that digests what is written to it, so that the tar need not be read again to be signed for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._file.write(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
