"""Sound work: the browser's copy and the peaks of the waveform, in one streaming pass.

ffmpeg decodes once and writes two streams: the browser's format to a file and plain PCM to a pipe,
which pydub measures in pieces of 100 ms. Neither holds more than a piece, however long the call was.
What ffmpeg reads comes through a pipe as well, from a file that was opened once (`recordings.source`).
`convert` blocks and is meant for a worker process; this is the only file that imports pydub.
"""

import json
import os
import tempfile
import warnings
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from recordings import ffmpeg, formats, source
from recordings.errors import BrokenAudio
from recordings.ffmpeg import find as find_ffmpeg
from recordings.limits import for_sound
from recordings.settings import AudioFormat
from recordings.source import Source

with warnings.catch_warnings():
    # pydub warns that no ffmpeg is on PATH (it never runs one here) and that audioop will go.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

__all__ = ["Converted", "Job", "Peaks", "convert", "find_ffmpeg", "measure", "warm"]

PCM_RATE = 8000
PEAK_SCALE = 255
_CHUNK_MS = 100
_CHUNK_BYTES = PCM_RATE * 2 * _CHUNK_MS // 1000
_MOST_PEAKS = 36_000  # an hour at ten a second; longer calls get coarser, not bigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Read `source`, write `audio` and `peaks`; half-made files stay in `work`, which is private, in a folder
    whose name begins with `prefix`.

    `source` is a real path in one of `places`, the folders of its PBX; none given: its own folder.
    `limit_s`: the longest wall time, however long the sound is.
    """

    source: Path
    audio: Path
    peaks: Path
    work: Path
    format: AudioFormat
    limit_s: float
    places: tuple[Path, ...] = ()
    prefix: str = "job-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """`duration_s` is the sound ffmpeg decoded; `codec` what it found in the file."""

    duration_s: float
    codec: str
    audio_bytes: int
    repaired: bool


def warm() -> str:
    """Do nothing but be imported, so that the first recording needn't wait; return the ffmpeg found."""
    return find_ffmpeg()


class Peaks:
    """The loudest sample of each piece, 0–255, at most 36,000 of them.

    When they would be more, neighbours are merged and `rate` (peaks a second) halves.
    """

    def __init__(self, *, most: int = _MOST_PEAKS) -> None:
        self.values = array("B")
        self._most = most
        self._merge = 1
        self._pending = 0
        self._loudest = 0

    @property
    def rate(self) -> float:
        return 1000 / _CHUNK_MS / self._merge

    def add(self, amplitude: int) -> None:
        """Take the loudest amplitude (0–32768) of the next piece."""
        self._loudest = max(self._loudest, amplitude)
        self._pending += 1
        if self._pending == self._merge:
            self._close()

    def finish(self) -> None:
        if self._pending:
            self._close()

    def to_json(self) -> str:
        body = {"rate": self.rate, "scale": PEAK_SCALE, "peaks": self.values.tolist()}
        return json.dumps(body, separators=(",", ":"))

    def _close(self) -> None:
        self.values.append(min(PEAK_SCALE, self._loudest * PEAK_SCALE // 32_767))
        self._pending = self._loudest = 0
        if len(self.values) == self._most:
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.values = array("B", map(max, pairs))
            self._merge *= 2


def measure(pcm: IO[bytes]) -> tuple[Peaks, int]:
    """Return the peaks of 16-bit mono PCM at 8 kHz and the number of samples; constant memory."""
    peaks, samples = Peaks(), 0
    while chunk := pcm.read(_CHUNK_BYTES):
        whole = chunk[: len(chunk) // 2 * 2]
        segment = AudioSegment(data=whole, sample_width=2, frame_rate=PCM_RATE, channels=1)
        peaks.add(segment.max)
        samples += len(whole) // 2
    peaks.finish()
    return peaks, samples


def convert(job: Job) -> Converted:
    """Make the browser's copy and the peaks of `job.source`; both appear whole or not at all.

    Raises:
        BrokenAudio: `empty`, `unknown_format`, `not_audio`, `bad_header`, `too_long` or `too_heavy`: the
            file itself is the reason.
        ConversionFailed: `too_slow`, `disk_full`, `worker_died`, `refused`; FfmpegMissing: `no_ffmpeg`.
        OSError: a folder can't be read or written, or the source is gone.
    """
    with source.opened(job.source, job.places or (job.source.parent,)) as sound:
        job.work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=job.work, prefix=job.prefix) as folder:
            return _convert(job, sound, Path(folder))


def _convert(job: Job, sound: Source, folder: Path) -> Converted:
    audio, peaks_file = folder / "audio", folder / "peaks"
    command = _command(sound, audio, job.format)
    with ffmpeg.running(command, sound, for_sound(sound.longest_s, job.limit_s)) as run:
        peaks, samples = measure(run.pcm)
        run.finish()
    if samples == 0:
        raise BrokenAudio("empty", "the file holds no sound")
    peaks_file.write_text(peaks.to_json())
    size = audio.stat().st_size
    _publish(peaks_file, job.peaks)
    _publish(audio, job.audio)
    return Converted(
        duration_s=samples / PCM_RATE,
        codec=run.codec,
        audio_bytes=size,
        repaired=sound.repaired,
    )


def _command(sound: Source, audio: Path, audio_format: AudioFormat) -> list[str]:
    quiet = ["-y", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "info"]
    # Threads: each would reserve addresses, and there is one stream.
    one = ["-filter_threads", "1", "-threads", "1"]
    only = ["-protocol_whitelist", "pipe", "-codec_whitelist", sound.reading.decoders]
    # The names of callers, should a recorder have put them there, stay out of the copy.
    copy = ["-map", "0:a:0", "-map_metadata", "-1", *formats.ENCODERS[audio_format]]
    pcm = ["-map", "0:a:0", "-ac", "1", "-ar", str(PCM_RATE), "-f", "s16le"]
    read = [*only, *sound.reading.options, "-i", "pipe:0"]
    return [ffmpeg.find(), *quiet, *one, *read, *copy, f"file:{audio}", *pcm, "pipe:1"]


def _publish(made: Path, final: Path) -> None:
    """Move `made` to `final` so that it survives a power cut: contents first, then the name."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with open(made, "rb") as file:
        os.fsync(file.fileno())
    os.replace(made, final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
