"""WAV headers. A recorder writes the lengths when it closes; a killed PBX leaves them 0 or stale."""

import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["WavLayout", "is_closed", "read_layout", "repair"]

_SEARCH_BYTES = 64 * 1024  # the sound begins within this or the file is not a recorder's


@dataclass(frozen=True, slots=True)
class WavLayout:
    """Where the sound begins (`data_at`) and how long the header says it is; `file_bytes` is the truth.

    `fact_at` is where wav49 counts its samples. `closed`: the header agrees with the file.
    """

    data_at: int
    data_says: int
    fact_at: int | None
    block_bytes: int
    samples_per_block: int
    file_bytes: int
    closed: bool

    @property
    def data_bytes(self) -> int:
        """The sound there really is, in whole blocks."""
        rest = self.file_bytes - self.data_at
        return rest - rest % max(self.block_bytes, 1)


def read_layout(file: BinaryIO) -> WavLayout | None:
    """Return the layout of an open file, None when it has no RIFF/WAVE header with a data chunk."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    return _walk(file, size)


def _walk(file: BinaryIO, size: int) -> WavLayout | None:
    fact_at, block_bytes, samples = None, 1, 1
    at = 12
    while at < min(size, _SEARCH_BYTES):
        file.seek(at)
        name, length = _chunk(file.read(8))
        if name == b"data":
            closed = _agrees(file, size, at + 8, length)
            return WavLayout(at + 8, length, fact_at, block_bytes, samples, size, closed)
        if name == b"fmt ":
            block_bytes, samples = _blocks(file.read(min(length, 40)))
        elif name == b"fact":
            fact_at = at + 8
        elif not name:
            return None
        at += 8 + length + length % 2
    return None


def _chunk(head: bytes) -> tuple[bytes, int]:
    if len(head) < 8:
        return b"", 0
    return head[:4], int.from_bytes(head[4:], "little")


def _blocks(fmt: bytes) -> tuple[int, int]:
    if len(fmt) < 16:
        return 1, 1
    kind, _, _, _, block_bytes = struct.unpack_from("<HHIIH", fmt)
    gsm = kind == 0x31 and len(fmt) >= 20
    return block_bytes, struct.unpack_from("<H", fmt, 18)[0] if gsm else 1


def _agrees(file: BinaryIO, size: int, data_at: int, says: int) -> bool:
    rest = size - data_at - says
    if rest in (0, 1):  # 1: the pad byte
        return True
    if says == 0 or rest < 0:
        return False
    file.seek(data_at + says + says % 2)
    return file.read(4).strip(b" ").isalnum()  # another chunk follows, such as LIST


def is_closed(path: Path) -> bool:
    """Return False when `path` is a WAV whose header disagrees with its size; True for anything else."""
    with open(path, "rb") as file:
        layout = read_layout(file)
    return layout is None or layout.closed


def repair(source: Path, target: Path) -> None:
    """Copy `source` to `target` with lengths that fit its size; `source` is only read.

    Raises:
        ValueError: `source` has no WAV header to repair.
    """
    shutil.copyfile(source, target)
    with open(target, "r+b") as file:
        layout = read_layout(file)
        if layout is None:
            raise ValueError(f"no WAV header in {source}")
        file.truncate(layout.data_at + layout.data_bytes)
        _put(file, 4, layout.data_at + layout.data_bytes - 8)
        _put(file, layout.data_at - 4, layout.data_bytes)
        if layout.fact_at is not None:
            blocks = layout.data_bytes // max(layout.block_bytes, 1)
            _put(file, layout.fact_at, blocks * layout.samples_per_block)


def _put(file: BinaryIO, at: int, value: int) -> None:
    file.seek(at)
    file.write(min(value, 0xFFFF_FFFF).to_bytes(4, "little"))
