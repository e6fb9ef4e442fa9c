"""Tar shards, read and written as streams: members by name and size, nothing ever extracted to disk.

Reading parses plain ustar headers itself (a third of `tarfile`'s time goes there) and leaves everything else
(PAX and GNU long names, base-256 sizes) to `tarfile.TarInfo.frombuf`. Only regular files are handed out.
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


class Member(NamedTuple):
    """A regular file of a tar. `data` is None when it is larger than the cap or not wanted."""

    name: str
    size: int
    data: bytes | None


class Odd(NamedTuple):
    """A member that is no regular file (link, device, folder): named, never followed."""

    name: str
    kind: str


class Broken(NamedTuple):
    """Where the tar breaks; what lies behind is lost."""

    offset: int
    message: str


class Sink(Protocol):
    """Anything bytes can be appended to."""

    def write(self, data: bytes, /) -> int:
        """Append; the number of bytes written."""
        ...


def walk(file: BinaryIO, max_bytes: int) -> Iterator[Member | Odd | Broken]:
    """Yield the members in order, each read whole unless larger than `max_bytes`; a break is the last thing yielded."""
    offset, extended = 0, None
    while True:
        block = file.read(BLOCK)
        if len(block) < BLOCK or block == bytes(BLOCK):
            if block and len(block) < BLOCK:
                yield Broken(offset, "ends inside a header")
            elif not block and offset and offset % BLOCK:
                yield Broken(offset, "ends without its last block")
            return
        head = _head(block)
        if head is None:
            yield Broken(offset, "no valid header")
            return
        name, size, kind = head
        offset += BLOCK
        padded = -(-size // BLOCK) * BLOCK
        if kind in "xgLK":
            extension = file.read(padded) if size <= _MAX_EXTENSION else b""
            if len(extension) < size or size > _MAX_EXTENSION:
                yield Broken(offset, f"extension header of {size} bytes")
                return
            if kind in "xL":
                extended = _extension(kind, extension[:size], extended)
            offset += padded
            continue
        if extended is not None:
            name, size = extended[0] or name, size if extended[1] is None else extended[1]
            padded, extended = -(-size // BLOCK) * BLOCK, None
        data = _body(file, size, padded, max_bytes)
        if isinstance(data, int):
            yield Broken(offset + data, f"`{name}` ends after {data} of {size} bytes")
            return
        offset += padded
        yield Member(name, size, data) if kind in "0\0" else Odd(name, _KINDS.get(kind, kind))


def write(file: Sink, name: str, data: bytes) -> int:
    """Append one regular file, mode 0644, no owner and no time, so that equal content gives equal bytes; bytes written."""
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
    """Split a member's name as WebDataset does: `a/b.c/key.seg.png` -> (`a/b.c/key`, `seg.png`), extension lower case."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return folder + slash + stem, extension.lower()


def unsafe(name: str) -> bool:
    """True for names that would leave a folder or garble a terminal: absolute, with `..`, or with control characters."""
    steps = name.split("/")
    return name.startswith(("/", "\\")) or ".." in steps or not name or any(ord(c) < 32 or ord(c) == 127 for c in name)


_KINDS = {
    "1": "hard link",
    "2": "symbolic link",
    "3": "character device",
    "4": "block device",
    "5": "folder",
    "6": "fifo",
}
_TEMPLATE = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
_BEFORE_SIZE, _TIME, _AFTER_CHECKSUM = _TEMPLATE[100:124], _TEMPLATE[136:148], _TEMPLATE[156:]
_PLAIN_SIZE = re.compile(rb"^[0-7]{1,11}[ \0]+$")


def _head(block: bytes) -> tuple[str, int, str] | None:
    """Name, size and type flag of a header block, None when its checksum is wrong."""
    try:
        stated = int(block[148:156].rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
    if sum(block) - sum(block[148:156]) + 256 != stated or not _PLAIN_SIZE.match(block[124:136]) or block[345]:
        return _head_by_tarfile(block)
    return block[:100].partition(b"\0")[0].decode("utf-8", "replace"), int(block[124:135], 8), chr(block[156])


def _head_by_tarfile(block: bytes) -> tuple[str, int, str] | None:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.HeaderError:
        return None
    return info.name, info.size, info.type.decode("latin-1")


def _extension(kind: str, body: bytes, so_far: tuple[str, int | None] | None) -> tuple[str, int | None]:
    """Name and size that a PAX (`x`) or GNU long-name (`L`) block gives to the member behind it."""
    name, size = so_far or ("", None)
    if kind == "L":
        return body.rstrip(b"\0").decode("utf-8", "replace"), size
    for record in re.finditer(rb"\d+ (path|size)=([^\n]*)\n", body):
        if record[1] == b"path":
            name = record[2].decode("utf-8", "replace")
        elif record[2].isdigit():
            size = int(record[2])
    return name, size


def _body(file: BinaryIO, size: int, padded: int, max_bytes: int) -> bytes | None | int:
    """The member's bytes; None when skipped as too large; the count that was there when the tar ends early."""
    if size <= max_bytes:
        data = file.read(padded)
        return data[:size] if len(data) >= size else len(data)
    left = padded
    while left:
        gone = len(file.read(min(left, 1 << 20)))
        if not gone:
            return padded - left
        left -= gone
    return None
