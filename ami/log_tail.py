"""Read a log file that another program writes, on from where we were, whatever its rotation does.

A place is remembered as inode, offset and the file's first bytes. So it is found again after a
rename (same inode), after copy-and-truncate (the copy has the same first bytes) and is not mistaken
for a new file that was given the inode of a deleted one. Blocking: call it in a thread.
"""

import gzip
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from ami.errors import LogUnreadable

__all__ = [
    "CHUNK_BYTES",
    "LogChunk",
    "LogPosition",
    "TimeOf",
    "lines_between",
    "oldest_line_at",
    "read_on",
]

# When was this line written? None: it can't be told.
TimeOf = Callable[[bytes], datetime | None]

HEAD_BYTES = 128
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """Up to `offset` the file was read. `head`: its first bytes, at most 128, none beyond `offset`."""

    inode: int
    offset: int
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """Whole lines without their ends, and the place behind them; no lines: nothing more now.

    `lost`: the file of the given position is gone, so that lines may be missing before these.
    """

    lines: tuple[bytes, ...]
    position: LogPosition | None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    inode: int
    size: int
    mtime: float

    def open(self) -> BinaryIO:
        if self.path.suffix == ".gz":
            return cast(BinaryIO, gzip.open(self.path, "rb"))
        return self.path.open("rb")

    def read(self, offset: int, count: int) -> bytes:
        with self.open() as file:
            file.seek(offset)
            return file.read(count)


def read_on(
    path: Path,
    position: LogPosition | None,
    *,
    since: datetime,
    time_of: TimeOf,
    stop: Callable[[bytes], bool] = lambda line: False,
    limit_bytes: int = CHUNK_BYTES,
) -> LogChunk:
    """Return the next lines of `path` after `position`, of older files of it first.

    Without a position, or when its file is gone, reading begins at the first line of `since` or
    later. A line without its end is left until it is whole. Nothing from the first line that
    `stop` names is read. Raises LogUnreadable.
    """
    try:
        files = _files(path)
        found = _find(files, position)
        lost = found is None and position is not None
        index, offset = found or _first_since(files, since, time_of)
        for number, file in enumerate(files[index:], start=index + 1):
            lines = _whole_lines(file, offset, limit_bytes, is_over=number < len(files))
            taken = _until(lines, stop)
            if taken:
                offset += sum(map(len, taken))
                head = file.read(0, min(offset, HEAD_BYTES))
                told = tuple(line.rstrip(b"\r\n") for line in taken)
                after = LogPosition(inode=file.inode, offset=offset, head=head)
                return LogChunk(lines=told, position=after, lost=lost)
            if lines:
                break
            offset = 0
    except (OSError, EOFError) as error:
        raise LogUnreadable(path, str(error)) from error
    return LogChunk(lines=(), position=position, lost=lost)


def lines_between(path: Path, start: datetime, end: datetime, time_of: TimeOf) -> Iterator[bytes]:
    """Yield the lines written from `start` to before `end`, those without a time too. Raises LogUnreadable."""
    position: LogPosition | None = None
    since = start

    def is_later(line: bytes) -> bool:
        at = time_of(line)
        return at is not None and at >= end

    while (chunk := read_on(path, position, since=since, time_of=time_of, stop=is_later)).lines:
        yield from (line for line in chunk.lines if not _is_before(line, start, time_of))
        position = chunk.position


def oldest_line_at(path: Path, time_of: TimeOf) -> datetime | None:
    """Return how far back the log goes, its older files included; None when no line tells.

    Raises LogUnreadable.
    """
    try:
        firsts = [_first_time(file, time_of) for file in _files(path)]
    except (OSError, EOFError) as error:
        raise LogUnreadable(path, str(error)) from error
    return min((at for at in firsts if at is not None), default=None)


def _is_before(line: bytes, start: datetime, time_of: TimeOf) -> bool:
    at = time_of(line)
    return at is not None and at < start


def _files(path: Path) -> list[_File]:
    """The log's files with something in them, oldest first, the one being written last.

    Asterisk writes to one file at a time: once the newer one has a line, the older one is over.
    """
    older = [
        each
        for mark in (".", "-")
        for each in path.parent.glob(f"{path.name}{mark}*")
        if each.is_file()
    ]
    found = sorted((_file(each) for each in older), key=lambda file: (file.mtime, file.path.name))
    if path.exists() or not found:
        found.append(_file(path))  # not there at all: say so
    return [file for file in found if file.size]


def _file(path: Path) -> _File:
    told = path.stat()
    if not stat.S_ISREG(told.st_mode):
        raise OSError(f"{path} is no file")
    return _File(path, told.st_ino, told.st_size, told.st_mtime)


def _find(files: list[_File], position: LogPosition | None) -> tuple[int, int] | None:
    """Return (index, offset) of `position`: the same file first, else a copy of it."""
    if position is None:
        return None
    for same in (True, False):
        for index, file in enumerate(files):
            if (file.inode == position.inode) == same and _has_head(file, position):
                return index, position.offset
    return None


def _has_head(file: _File, position: LogPosition) -> bool:
    if file.path.suffix != ".gz" and file.size < position.offset:
        return False
    return file.read(0, len(position.head)) == position.head


def _first_since(files: list[_File], since: datetime, time_of: TimeOf) -> tuple[int, int]:
    """Return (index, offset) of the first line of `since` or later; the end of the last file if none."""
    for index, file in enumerate(files):
        if file.mtime >= since.timestamp() or index == len(files) - 1:
            return index, _offset_since(file, since, time_of)
    return 0, 0


def _offset_since(file: _File, since: datetime, time_of: TimeOf) -> int:
    """Halve the file until the line is found: a log may be years long. Lines stand in order of time."""
    if file.path.suffix == ".gz":
        return 0  # can't be halved; what is too old is told again, which changes nothing
    low, high = 0, file.size
    with file.open() as log:
        while low < high:
            middle = (low + high) // 2
            log.seek(middle)
            if middle:
                log.readline()  # the rest of a line that began before
            start = log.tell()
            at = _next_time(log, time_of)
            if at is None or at >= since:
                high = middle
            else:
                low = max(start, middle + 1)
        log.seek(low)
        if low:
            log.readline()
        return log.tell()


def _next_time(log: BinaryIO, time_of: TimeOf) -> datetime | None:
    for line in log:
        at = time_of(line)
        if at is not None:
            return at
    return None


def _first_time(file: _File, time_of: TimeOf) -> datetime | None:
    with file.open() as log:
        return _next_time(log, time_of)


def _whole_lines(file: _File, offset: int, limit_bytes: int, *, is_over: bool) -> list[bytes]:
    """Return the next lines with their ends. `is_over`: nobody writes to the file any more."""
    data = file.read(offset, limit_bytes)
    whole = data.rfind(b"\n") + 1
    if whole == 0 and (is_over or len(data) == limit_bytes):
        return [data] if data else []  # its last line, or something that is no log line
    if is_over and len(data) < limit_bytes:
        whole = len(data)
    return BytesIO(data[:whole]).readlines()


def _until(lines: list[bytes], stop: Callable[[bytes], bool]) -> list[bytes]:
    for number, line in enumerate(lines):
        if stop(line):
            return lines[:number]
    return lines
