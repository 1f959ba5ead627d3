"""A recording to convert: opened once, judged before any decoder sees it, read as far as it is long now."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recordings import formats, jail, wav
from recordings.errors import BrokenAudio
from recordings.formats import Reading

__all__ = ["LONGEST_S", "MOST_BYTES", "Source", "opened"]

LONGEST_S = 12 * 3600.0  # a line that was never hung up; no conversation
MOST_BYTES = 4 * 1024**3  # what a WAV can hold
_LEAST_BYTES_PER_S = 1_000  # 8 kbit/s: the least of MP3 and Ogg


@dataclass(frozen=True, slots=True)
class Source:
    """The sound is `head` and then the bytes `begin` to `end` of `file`, whatever is written meanwhile.

    `longest_s`: it lasts no longer. `repaired`: its own header did not fit.
    """

    file: BinaryIO
    reading: Reading
    head: bytes
    begin: int
    end: int
    longest_s: float
    repaired: bool = False


@contextmanager
def opened(path: Path, places: Iterable[Path]) -> Iterator[Source]:
    """Yield the recording at `path`, which lies in one of `places`.

    Raises:
        BrokenAudio: `unknown_format`, `empty`, `not_audio`, `bad_header` or `too_long`.
        Refused: see `jail.opened`; so is OSError.
    """
    reading = formats.reading(path)
    if reading is None:
        raise BrokenAudio("unknown_format", f"no recording format is called {path.suffix!r}")
    with jail.opened(path, places) as file:
        yield _judged(file, reading)


def _judged(file: BinaryIO, reading: Reading) -> Source:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise BrokenAudio("empty", "the file is empty (0 bytes)")
    if size > MOST_BYTES:
        raise BrokenAudio("too_long", f"{size} bytes are more than a recording has")
    source = _wav(file, reading) if "wav" in reading.options else _plain(file, reading, size)
    if source.longest_s > LONGEST_S:
        raise BrokenAudio("too_long", f"{source.longest_s / 3600:.0f} hours of sound")
    return source


def _wav(file: BinaryIO, reading: Reading) -> Source:
    layout = wav.read_layout(file)
    if layout is None:
        raise BrokenAudio("not_audio", "no WAV header with sound behind it")
    wrong = wav.fault(layout)
    if wrong is not None or layout.format is None:
        raise BrokenAudio("bad_header", f"the header gives {wrong}")
    if layout.data_bytes == 0:
        raise BrokenAudio("empty", "the file holds no sound")
    return Source(
        file,
        reading,
        wav.header(layout),
        layout.data_at,
        layout.data_at + layout.data_bytes,
        layout.data_bytes / layout.format.bytes_per_s,
        repaired=not layout.closed,
    )


def _plain(file: BinaryIO, reading: Reading, size: int) -> Source:
    head = file.read(4)
    if reading.begins and not head.startswith(reading.begins):
        raise BrokenAudio("not_audio", "it does not begin as its format does")
    if reading.bytes_per_s is None:
        # Only decoding shows it; the limits of ffmpeg end what is longer than it may be.
        return Source(file, reading, b"", 0, size, min(size / _LEAST_BYTES_PER_S, LONGEST_S))
    return Source(file, reading, b"", 0, size, size / reading.bytes_per_s)
