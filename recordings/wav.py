"""WAV headers: read, judged, and rewritten, so that ffmpeg sees no header but ours.

A recorder writes the lengths when it closes; a killed PBX leaves them 0 or stale. A hostile header may
say anything at all: a rate of 1 Hz makes a resampler turn 16 kB into gigabytes.
"""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["WavFormat", "WavLayout", "fault", "header", "is_closed", "read_layout"]

_SEARCH_BYTES = 64 * 1024  # the sound begins within this or the file is not a recorder's
_RATES_HZ = range(4_000, 192_001)
_CHANNELS = range(1, 9)

_PCM, _FLOAT, _ALAW, _ULAW, _GSM, _EXTENSIBLE = 1, 3, 6, 7, 0x31, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64), _ALAW: (8,), _ULAW: (8,)}
_GSM_BLOCK_BYTES, _GSM_BLOCK_SAMPLES = 65, 320


@dataclass(frozen=True, slots=True)
class WavFormat:
    """The format chunk as it stands; `codec` is the number that WAV gives a codec."""

    codec: int
    channels: int
    rate_hz: int
    block_bytes: int
    bits: int

    @property
    def samples_per_block(self) -> int:
        return _GSM_BLOCK_SAMPLES if self.codec == _GSM else 1

    @property
    def bytes_per_s(self) -> float:
        return self.rate_hz * self.block_bytes / self.samples_per_block


@dataclass(frozen=True, slots=True)
class WavLayout:
    """Where the sound begins (`data_at`) and how long the header says it is; `file_bytes` is the truth.

    `format` is None when no whole format chunk stands before the sound. `closed`: the header agrees
    with the file.
    """

    data_at: int
    data_says: int
    format: WavFormat | None
    file_bytes: int
    closed: bool

    @property
    def data_bytes(self) -> int:
        """The sound there really is, in whole blocks, without chunks that follow it."""
        rest = self.file_bytes - self.data_at
        sound = min(rest, self.data_says) if self.closed else rest
        return sound - sound % max(self.format.block_bytes if self.format else 1, 1)


def read_layout(file: BinaryIO) -> WavLayout | None:
    """Return the layout of an open file, None when it has no RIFF/WAVE header with a data chunk."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    return _walk(file, size)


def _walk(file: BinaryIO, size: int) -> WavLayout | None:
    found: WavFormat | None = None
    at = 12
    while at < min(size, _SEARCH_BYTES):
        file.seek(at)
        name, length = _chunk(file.read(8))
        if name == b"data":
            return WavLayout(at + 8, length, found, size, _agrees(file, size, at + 8, length))
        if name == b"fmt ":
            found = _format(file.read(min(length, 40)))
        elif not name:
            return None
        at += 8 + length + length % 2
    return None


def _chunk(head: bytes) -> tuple[bytes, int]:
    if len(head) < 8:
        return b"", 0
    return head[:4], int.from_bytes(head[4:], "little")


def _format(fmt: bytes) -> WavFormat | None:
    if len(fmt) < 16:
        return None
    codec, channels, rate_hz, _, block_bytes, bits = struct.unpack_from("<HHIIHH", fmt)
    if codec == _EXTENSIBLE and len(fmt) >= 26:
        codec = struct.unpack_from("<H", fmt, 24)[0]
    return WavFormat(codec, channels, rate_hz, block_bytes, bits)


def _agrees(file: BinaryIO, size: int, data_at: int, says: int) -> bool:
    rest = size - data_at - says
    if rest in (0, 1):  # 1: the pad byte
        return True
    if says == 0 or rest < 0:
        return False
    file.seek(data_at + says + says % 2)
    return file.read(4).strip(b" ").isalnum()  # another chunk follows, such as LIST


def fault(layout: WavLayout) -> str | None:
    """Return why no recorder of telephone calls writes such a header, None when one may."""
    found = layout.format
    if found is None:
        return "no format is given before the sound"
    if found.codec != _GSM and found.codec not in _BITS:
        return f"codec {found.codec:#x} is not one of telephone recordings"
    if found.rate_hz not in _RATES_HZ:
        return f"a rate of {found.rate_hz} Hz"
    if found.channels not in _CHANNELS:
        return f"{found.channels} channels"
    if not _fits(found):
        return f"blocks of {found.block_bytes} bytes for {found.channels} × {found.bits} bits"
    return None


def _fits(found: WavFormat) -> bool:
    if found.codec == _GSM:
        return (found.channels, found.block_bytes) == (1, _GSM_BLOCK_BYTES)
    if found.bits not in _BITS[found.codec]:
        return False
    return found.block_bytes == found.channels * found.bits // 8


def header(layout: WavLayout) -> bytes:
    """Return a header of our own for the sound of `layout`, which has no `fault`."""
    found, data_bytes = layout.format, min(layout.data_bytes, 0xFFFF_FFFF)
    assert found is not None
    fmt = struct.pack(
        "<HHIIHH",
        found.codec,
        found.channels,
        found.rate_hz,
        int(found.bytes_per_s),
        found.block_bytes,
        found.bits,
    )
    chunks = b""
    if found.codec == _GSM:
        fmt += struct.pack("<HH", 2, _GSM_BLOCK_SAMPLES)
        samples = data_bytes // _GSM_BLOCK_BYTES * _GSM_BLOCK_SAMPLES
        chunks = b"fact" + struct.pack("<II", 4, min(samples, 0xFFFF_FFFF))
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + chunks
    body += b"data" + struct.pack("<I", data_bytes)
    whole = min(len(body) + data_bytes, 0xFFFF_FFFF)
    return b"RIFF" + struct.pack("<I", whole) + body


def is_closed(file: BinaryIO) -> bool:
    """Return False when `file` is a WAV whose header disagrees with its size; True for anything else."""
    layout = read_layout(file)
    return layout is None or layout.closed
