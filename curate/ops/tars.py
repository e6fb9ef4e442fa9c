"""Tar shards, read and written as streams: members by name and size, nothing ever extracted to disk.

Reading parses plain ustar headers itself (a third of `tarfile`'s time goes there) and leaves everything else
(prefixes, base-256 sizes) to `tarfile.TarInfo.frombuf`. Only regular files are handed out. Where readers of tars
differ, the rule is `tarfile`'s, since WebDataset reads with it.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

BLOCK = 512
END = bytes(2 * BLOCK)
_MAX_EXTENSION = 1 << 20
"""Bytes a PAX or GNU long-name block may have; a hostile one could announce gigabytes."""
_SKIP = 1 << 20
"""Bytes read at once of a member that is not wanted."""


class Member(NamedTuple):
    """A regular file of a tar. `data` is None when it is larger than the cap."""

    name: str
    size: int
    data: bytes | None


class Odd(NamedTuple):
    """A member that is no regular file (link, device, folder): named, never followed."""

    name: str
    kind: str


class Broken(NamedTuple):
    """Where the tar breaks, in bytes from its start; what lies behind is lost."""

    offset: int
    message: str


class Sink(Protocol):
    """What a tar is written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


def walk(file: BinaryIO, max_bytes: int) -> Iterator[Member | Odd | Broken]:
    """Yield the members in order, each read whole unless larger than `max_bytes`; a break is the last thing yielded."""
    reader = _Reader(file)
    try:
        while head := reader.head():
            yield reader.member(head, max_bytes)
    except _BrokenError as error:
        yield error.broken


def write(file: Sink, name: str, data: bytes) -> int:
    """Append one regular file and give the bytes written: mode 0644, no owner, no time, so that equals give equals."""
    head = header(name, len(data))
    file.write(head)
    file.write(data)
    padding = -len(data) % BLOCK
    file.write(bytes(padding))
    return len(head) + len(data) + padding


def header(name: str, size: int) -> bytes:
    """The header block(s) of a regular file: ustar where the name fits in 100 ASCII bytes, else PAX."""
    plain = name.encode("utf-8")
    if len(plain) > 100 or not name.isascii() or size >= 8**11:
        info = tarfile.TarInfo(name)
        info.size = size
        return info.tobuf(tarfile.PAX_FORMAT)
    block = plain.ljust(100, b"\0") + _BEFORE_SIZE + b"%011o\0" % size + _TIME + b" " * 8 + _AFTER_CHECKSUM
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def split_name(name: str) -> tuple[str, str]:
    """Split a name as WebDataset does: `a/b.c/key.seg.png` -> (`a/b.c/key`, `seg.png`), extension in lower case."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return folder + slash + stem, extension.lower()


def unsafe(name: str) -> bool:
    """True for names that would leave a folder, name none of its files, or garble a terminal or a table."""
    steps = name.split("/")
    return name.startswith(("/", "\\")) or ".." in steps or not steps[-1] or _GARBLES.search(name) is not None


_GARBLES = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_KINDS = {
    "1": "hard link",
    "2": "symbolic link",
    "3": "character device",
    "4": "block device",
    "5": "folder",
    "6": "fifo",
    "S": "sparse file",
}
_REGULAR = ("0", "\0", "7")
_NO_BODY = "123456"
_TEMPLATE = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
_BEFORE_SIZE, _TIME, _AFTER_CHECKSUM = _TEMPLATE[100:124], _TEMPLATE[136:148], _TEMPLATE[156:]
_PLAIN_SIZE = re.compile(rb"([0-7]{1,11})[ \0]+")
_RECORD = re.compile(rb"(\d{1,10}) ([^=\n]+)=")


class _Head(NamedTuple):
    """What a header block says: name, size in bytes, type flag."""

    name: str
    size: int
    kind: str


class _BrokenError(Exception):
    """The tar cannot be read on."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.broken = Broken(offset, message)


class _Reader:
    """Reads one tar from front to back; `offset` is where the next block lies."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._offset = file, 0

    def head(self) -> _Head | None:
        """The next member's header with its extensions applied, None at the end mark."""
        extended: dict[str, str] = {}
        while True:
            block = self._file.read(BLOCK)
            if len(block) < BLOCK:
                raise _BrokenError(self._offset, "ends inside a header" if block else "ends without an end mark")
            if block == _ZEROS:
                return None
            head = _parse(block)
            if head is None:
                raise _BrokenError(self._offset, "no valid header")
            self._offset += BLOCK
            if head.kind == "S":
                self._skip_sparse_map(block)
            if head.kind not in "xgLKX":
                return _extended(head, extended) if extended else head
            extended |= self._extension(head)

    def member(self, head: _Head, max_bytes: int) -> Member | Odd:
        """The member behind its header, its bytes read or passed over."""
        name, size, kind = head
        data = None
        if kind not in _NO_BODY:
            data = self._body(head, max_bytes)
        if kind not in _REGULAR:
            return Odd(name.rstrip("/"), _KINDS.get(kind, f"member of type {kind!r}"))
        return Member(name, size, data)

    def _body(self, head: _Head, max_bytes: int) -> bytes | None:
        """The member's bytes, None when larger than the cap."""
        padded = -(-head.size // BLOCK) * BLOCK
        if head.size <= max_bytes:
            data = self._file.read(padded)
            there = len(data)
        else:
            there, data = self._pass_over(padded), None
        self._offset += there
        if there < head.size:
            raise _BrokenError(self._offset, f"`{head.name[:200]}` ends after {there} of {head.size} bytes")
        return None if data is None else data[: head.size]

    def _pass_over(self, count: int) -> int:
        """Read and forget `count` bytes, a piece at a time; how many there were."""
        left = count
        while left and (gone := len(self._file.read(min(left, _SKIP)))):
            left -= gone
        return count - left

    def _extension(self, head: _Head) -> dict[str, str]:
        """What a PAX (`x`) or GNU long-name (`L`) block says of the member behind it; global ones are passed over."""
        if head.size > _MAX_EXTENSION:
            raise _BrokenError(self._offset, f"extension header of {head.size} bytes")
        body = self._body(head, _MAX_EXTENSION) or b""
        if head.kind == "L":
            return {"path": body.partition(b"\0")[0].decode("utf-8", "replace")}
        return self._records(body) if head.kind in "xX" else {}

    def _records(self, body: bytes) -> dict[str, str]:
        """What matters of PAX records, `LENGTH KEY=VALUE`, each read by its length: values may look like records."""
        records, at = {}, 0
        while at < len(body) and body[at]:
            match = _RECORD.match(body, at)
            end = at + int(match[1]) if match else 0
            if not match or not match.end() < end <= len(body) or body[end - 1] != 10:
                raise _BrokenError(self._offset, "extension header with a broken record")
            key = b"sparse" if match[2].startswith(b"GNU.sparse.") else match[2]
            if key in (b"path", b"size", b"sparse"):
                records[key.decode()] = body[match.end() : end - 1].decode("utf-8", "replace")
            at = end
        return records

    def _skip_sparse_map(self, block: bytes) -> None:
        """Pass over the blocks in which a GNU sparse file's map goes on; its size does not count them."""
        more = block[482]
        while more:
            block = self._file.read(BLOCK)
            if len(block) < BLOCK:
                raise _BrokenError(self._offset, "ends inside a sparse map")
            self._offset += BLOCK
            more = block[504]


_ZEROS = bytes(BLOCK)


def _parse(block: bytes) -> _Head | None:
    """Read a header block, None when its checksum or its size is wrong."""
    plain = _PLAIN_SIZE.fullmatch(block, 124, 136)
    try:
        stated = int(block[148:156].rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
    if sum(block) - sum(block[148:156]) + 256 != stated or not plain or block[345]:
        return _parse_by_tarfile(block)
    name, kind = block[:100].partition(b"\0")[0].decode("utf-8", "replace"), chr(block[156])
    return _Head(name, int(plain[1], 8), "5" if kind == "\0" and name.endswith("/") else kind)


def _parse_by_tarfile(block: bytes) -> _Head | None:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.HeaderError:
        return None
    return _Head(info.name, info.size, info.type.decode("latin-1")) if info.size >= 0 else None


def _extended(head: _Head, records: dict[str, str]) -> _Head:
    """The header as its PAX records or long name correct it."""
    size = records.get("size", "")
    if "sparse" in records:
        head = head._replace(kind="S")
    if re.fullmatch(r"[0-9]{1,20}", size):
        head = head._replace(size=int(size))
    return head._replace(name=records.get("path") or head.name)
